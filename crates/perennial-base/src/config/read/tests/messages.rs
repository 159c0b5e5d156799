//! The exact words of what is reported.

use super::*;

/// `text` below a valid `[lake]` in lines 1 and 2 gives exactly `expected`.
#[track_caller]
fn check(text: &str, expected: &str) {
    let errors = parse(&format!("[lake]\nurl = \"x\"\n{text}\n")).expect_err("the text is wrong");
    assert_eq!(errors.to_string(), expected);
}

/// A source of kind `order` in lines 3 to 9, and what follows it.
fn order(rest: &str) -> String {
    format!(
        "[[source]]\nname = \"shop\"\nkind = \"order\"\npath = \"shop/\"\ntime = \"at\"\n\
         identifiers = {{ email = \"email\" }}\ncolumns = {{ amount = \"total\" }}\n{rest}"
    )
}

#[test]
fn unknown_and_missing_keys() {
    check(
        "refesh = \"10s\"",
        "perennial.toml:3:1: unknown key \"refesh\" in [lake]\n  hint: did you mean \"refresh\"?",
    );
    check(
        "colour = 1",
        "perennial.toml:3:1: unknown key \"colour\" in [lake]\n  hint: known: url, refresh, keep_snapshots, keep_for",
    );
    check(
        "[sorce]",
        "perennial.toml:3:2: unknown section \"sorce\"\n  hint: did you mean \"source\"?",
    );
    check(
        &order("identifers = { phone = \"p\" }"),
        "perennial.toml:10:1: unknown key \"identifers\" in [[source]] \"shop\"\n  hint: did you mean \"identifiers\"?",
    );
    check(
        "[[segment]]\nwhere = \"true\"",
        "perennial.toml:3:1: missing key \"name\" in [[segment]] number 1\n  hint: add name = \"a name\"",
    );
    check(
        "[source]\nname = \"x\"",
        "perennial.toml:3:1: \"source\" in the file must be a list of tables, not a table\n  hint: write [[source]] with two brackets on each side",
    );
    let errors = parse("").expect_err("no lake");
    assert_eq!(
        errors.to_string(),
        "perennial.toml: missing key \"url\" in [lake]\n  hint: add url = \"./lake\" below [lake]: a folder, or an URL as s3://bucket/prefix"
    );
}

#[test]
fn sources() {
    check(
        "[[source]]\nname = \"a\"\nkind = \"oder\"\npath = \"a/\"",
        "perennial.toml:5:8: unknown kind \"oder\" in [[source]] \"a\"\n  hint: did you mean \"order\"?",
    );
    // What was meant to be the key is not missing.
    check(
        &order("").replace("kind", "knd"),
        "perennial.toml:5:1: unknown key \"knd\" in [[source]] \"shop\"\n  hint: did you mean \"kind\"?",
    );
    check(
        &order("").replace("amount = \"total\"", ""),
        "perennial.toml:3:1: missing key \"columns.amount\" in [[source]] \"shop\"\n  \
         hint: add amount = \"…\" to columns: value of the order, in its currency; served in the reporting currency",
    );
    check(
        "[[source]]\nname = \"crm\"\nkind = \"profile\"\npath = \"crm/\"",
        "perennial.toml:3:1: missing key \"time\" in [[source]] \"crm\"\n  \
         hint: add time = \"…\": the column or expression that says when a row became true\n\
         perennial.toml:3:1: missing key \"identifiers\" in [[source]] \"crm\"\n  \
         hint: add identifiers = { email = \"…\" }: identifier type to column; {} says that the source has none",
    );
    check(
        &order("").replace("amount", "amuont"),
        "perennial.toml:9:13: unknown column of kind \"order\" \"amuont\" in [[source]] \"shop\"\n  \
         hint: did you mean \"amount\"?",
    );
    check(
        &order("where = \"  \""),
        "perennial.toml:10:9: \"where\" in [[source]] \"shop\" is empty\n  \
         hint: write a text with a SQL expression, or take the key out",
    );
    check(
        &order("").replace("\"email\" }", "\"\" }"),
        "perennial.toml:8:25: \"identifiers.email\" in [[source]] \"shop\" is empty\n  hint: write a text, or take the key out",
    );
    check(
        &order(&order("")),
        "perennial.toml:11:8: source \"shop\" exists twice\n  \
         hint: the first stands in line 4; give each source a name of its own",
    );
    check(
        &order("format = \"delta\""),
        "perennial.toml:10:10: \"format\" in [[source]] \"shop\" is \"delta\", which is not supported by this version\n  \
         hint: land the table's rows as Parquet files, and name their folder in path",
    );
    check(
        &order("traits = { city = \"city\" }"),
        "perennial.toml:10:10: \"traits\" in [[source]] \"shop\" have no meaning for kind \"order\"\n  \
         hint: name the source a second time with kind = \"profile\", and map them there",
    );
    check(
        &order("updated_at = \"u\""),
        "perennial.toml:10:14: \"updated_at\" in [[source]] \"shop\" orders the versions of a key, and there is none\n  \
         hint: add record_key = \"…\", or take updated_at out",
    );
    check(
        &order("max_bad_rows = 2"),
        "perennial.toml:10:16: \"max_bad_rows\" in [[source]] \"shop\" is 2, outside of 0 to 1\n  \
         hint: write a number from 0 to 1",
    );
    check(
        &order("").replace("\"shop/\"", "\"../shop\""),
        "perennial.toml:6:8: \"path\" in [[source]] \"shop\" leaves the lake\n  \
         hint: write a folder as \"crm/contacts/\" or a glob as \"crm/*.parquet\"",
    );
    check(
        &order("").replace("\"shop\"", "\"Shop Orders\""),
        "perennial.toml:4:8: \"name\" in [[source]] \"Shop Orders\" is not a name of lower-case letters, digits and _ \
         that starts with a letter\n  hint: write \"shop_orders\"",
    );
    check(
        "[[source]]\nname = \"orders\"\nkind = \"table\"\npath = \"a/\"",
        "perennial.toml:4:8: \"name\" in [[source]] \"orders\" is \"orders\", a unified relation of schema public\n  \
         hint: choose another name, or add schema = \"reference\"",
    );
    check(
        "[[source]]\nname = \"crm\"\nkind = \"profile\"\npath = \"a/\"\ntime = \"t\"\n\
         identifiers = { email = \"e\" }\ntraits = { email = \"e\", records = \"r\" }",
        "perennial.toml:9:12: \"traits.email\" in [[source]] \"crm\" is the name of an identifier type in line 8\n  \
         hint: customers has one column for each: leave the trait out, or choose another name\n\
         perennial.toml:9:25: \"traits.records\" in [[source]] \"crm\" is a column that customers has already\n  \
         hint: choose another name",
    );
    check(
        &order("zone = \"Europe/Berln\""),
        "perennial.toml:10:8: unknown time zone \"Europe/Berln\" in [[source]] \"shop\"\n  hint: did you mean \"Europe/Berlin\"?",
    );
}

#[test]
fn identity_settings() {
    check(
        "[identity.probabilistic]\nblock = [\"last_name\"]",
        "perennial.toml:3:11: \"probabilistic\" in [identity] is not supported by this version\n  \
         hint: take the table out; records are joined by shared identifiers",
    );
    check(
        "[[identity.identifier]]\ntype = \"phone\"\nnormalise = \"phone\"",
        "perennial.toml:5:13: \"normalise\" in [[identity.identifier]] \"phone\" is \"phone\", without a region of two \
         capital letters\n  hint: write the country of numbers without a country code, as \"phone:DE\"",
    );
    check(
        "[[identity.identifier]]\ntype = \"email\"\nlimit = 0",
        "perennial.toml:5:9: \"limit\" in [[identity.identifier]] \"email\" is 0, outside of 1 to 1000000\n  \
         hint: write a number from 1 to 1000000",
    );
    check(
        "[identity.survivorship]\ncity = \"source_priority\"",
        "perennial.toml:4:1: unknown trait \"city\" in [identity.survivorship]\n  hint: there is no trait to name\n\
         perennial.toml:4:8: \"city\" in [identity.survivorship] needs an order of sources\n  \
         hint: write { rule = \"source_priority\", order = [\"<source>\", …] }",
    );
    let profile = "[[source]]\nname = \"crm\"\nkind = \"profile\"\npath = \"a/\"\ntime = \"t\"\n\
                   identifiers = {}\ntraits = { city = \"c\" }\n[identity.survivorship]\n";
    check(
        &format!("{profile}city = {{ rule = \"source_priority\", order = [\"cmr\"] }}"),
        "perennial.toml:11:45: unknown source \"cmr\" in \"city\" of [identity.survivorship]\n  hint: did you mean \"crm\"?",
    );
}

#[test]
fn lifecycle_settings() {
    check(
        "[lifecycle]\nactive = \"3 months\"",
        "perennial.toml:4:10: \"active\" in [lifecycle] is \"3 months\", which has the unit \"months\", which has no \
         fixed length\n  hint: write a number with a unit, such as \"10s\", \"1 hour\" or \"90 days\"",
    );
    check(
        "[lifecycle]\npreset = \"clasic\"",
        "perennial.toml:4:10: unknown preset \"clasic\" in [lifecycle]\n  hint: did you mean \"classic\"?",
    );
    check(
        "[lifecycle]\nlapse = \"60 days\"",
        "perennial.toml:4:9: \"lapse\" in [lifecycle] leaves no time between active and lapse\n  \
         hint: make lapse longer than active at every bound (their defaults are 90 and 180 days)",
    );
    check(
        "[lifecycle.facts]\nreferral = \"event where name = 'x'\"",
        "perennial.toml:4:12: unknown relation \"event\" in [lifecycle.facts]\n  hint: did you mean \"events\"?",
    );
    check(
        "[[lifecycle.stage]]\nname = \"all\"\n[[lifecycle.stage]]\nname = \"never\"\norders = 1",
        "perennial.toml:5:1: \"name\" in [[lifecycle.stage]] \"never\" is never reached: the stage in line 3 has no \
         conditions\n  hint: move the stage without conditions to the end",
    );
    check(
        "[[lifecycle.stage]]\nname = \"some\"\norders = { at_least = 1 }",
        "perennial.toml:3:1: \"name\" in [[lifecycle.stage]] \"some\" is the last stage and has conditions, so that some \
         customers are in none\n  hint: add a last [[lifecycle.stage]] with nothing but a name",
    );
    let stage = |condition: &str| {
        format!("[[lifecycle.stage]]\nname = \"a\"\n{condition}\n[[lifecycle.stage]]\nname = \"b\"")
    };
    check(
        &stage("ordrs = 1"),
        "perennial.toml:5:1: unknown fact \"ordrs\" in [[lifecycle.stage]] \"a\"\n  hint: did you mean \"orders\"?",
    );
    check(
        &stage("orders_within = { at_least = 1 }"),
        "perennial.toml:5:17: missing key \"days\" in \"orders_within\" of [[lifecycle.stage]] \"a\"\n  \
         hint: add days = 365: the window up to the moment asked about",
    );
    check(
        &stage("orders = { at_leest = 1 }"),
        "perennial.toml:5:12: unknown key \"at_leest\" in \"orders\" of [[lifecycle.stage]] \"a\"\n  \
         hint: did you mean \"at_least\"?",
    );
    check(
        &stage("orders = { at_least = 4, at_most = 3 }"),
        "perennial.toml:5:36: \"at_most\" in \"orders\" of [[lifecycle.stage]] \"a\" leaves no value above at_least\n  \
         hint: write a larger bound",
    );
    check(
        &stage("silence = { at_most = 90 }"),
        "perennial.toml:5:23: \"at_most\" in \"silence\" of [[lifecycle.stage]] \"a\" must be a duration, not a number\n  \
         hint: write \"30 days\", \"active\" or \"lapse\"",
    );
    check(
        &stage("nps_latest = { days = 0, at_least = 9 }"),
        "perennial.toml:5:23: \"days\" in \"nps_latest\" of [[lifecycle.stage]] \"a\" is 0, and must be more than 0, at most \
         36500\n  hint: write a larger number",
    );
    check(
        &stage("orders_within = { days = 0, at_least = 9 }"),
        "perennial.toml:5:26: \"days\" in \"orders_within\" of [[lifecycle.stage]] \"a\" is 0, and must be more than 0, at \
         most 36500\n  hint: write a larger number",
    );
    check(
        "[lifecycle]\nactive = { gap_multiple = 1001, min = \"1 day\", max = \"2 days\" }",
        "perennial.toml:4:27: \"gap_multiple\" in \"active\" of [lifecycle] is 1001, and must be more than 0, at most 1000\n  \
         hint: write a smaller number",
    );
    check(
        &stage("subscription = \"actve\""),
        "perennial.toml:5:16: unknown state \"actve\" in [[lifecycle.stage]] \"a\"\n  hint: did you mean \"active\"?",
    );
}

#[test]
fn server_settings() {
    check(
        "[server]\nlisten = \"0.0.0.0:5433\"\nauthentication = \"trust\"",
        "perennial.toml:4:10: \"listen\" in [server] is 0.0.0.0:5433, which other machines reach, and there is no TLS\n  \
         hint: add tls_certificate and tls_key, or listen on 127.0.0.1\n\
         perennial.toml:5:18: \"authentication\" in [server] is \"trust\", and other machines reach 0.0.0.0:5433\n  \
         hint: take it out and give each [[role]] a password, or listen on 127.0.0.1",
    );
    check(
        "[server]\ntls_certificate = \"a.pem\"",
        "perennial.toml:4:19: \"tls_certificate\" in [server] needs tls_key beside it\n  hint: add tls_key = \"file.pem\"",
    );
    check(
        "[server]\nlisten = \":5433\"\nmemory = \"1 XB\"",
        "perennial.toml:4:10: \"listen\" in [server] is \":5433\", which is not address:port\n  \
         hint: write \"127.0.0.1:5433\", or \"[::1]:5433\" for IPv6\n\
         perennial.toml:5:10: \"memory\" in [server] is \"1 XB\", which has the unknown unit \"XB\"\n  \
         hint: write a number with a unit, such as \"512MiB\" or \"20GB\"",
    );
    check(
        "[[role]]\nname = \"a\"\npassword = \"secret\"",
        "perennial.toml:5:12: \"password\" in [[role]] \"a\" is not a SCRAM-SHA-256 verifier\n  \
         hint: run `perennial password` and paste what it prints: SCRAM-SHA-256$…",
    );
    check(
        "[[role]]\nname = \"a\"\npii = \"masked\"",
        "perennial.toml:5:1: \"pii\" in [[role]] \"a\" is not supported by this version\n  \
         hint: take the key out and give the role only to people who may read everything",
    );
    check(
        "[server]\nmax_connections = 3",
        "perennial.toml:4:19: \"max_connections\" in [server] leaves no place: 3 of 3 connections are reserved for owners\n  \
         hint: make max_connections larger than reserved_connections",
    );
}

/// A rule in lines 6 to 9 for the role that stands in lines 3 to 5.
fn access(rule: &str) -> String {
    format!("[[role]]\nname = \"ann\"\n\n[[server.access]]\n{rule}")
}

#[test]
fn rules_for_who_may_log_in() {
    check(
        &access(""),
        "perennial.toml:6:1: missing key \"connection\" in [[server.access]] number 1\n  \
         hint: add connection = \"hostssl\": encrypted TCP; \"host\" is TCP, \"hostnossl\" TCP in the clear, \"local\" the Unix socket\n\
         perennial.toml:6:1: missing key \"method\" in [[server.access]] number 1\n  \
         hint: add method = \"scram-sha-256\": a password; \"cert\" is a certificate, \"trust\" nothing, \"reject\" refuses",
    );
    check(
        &access("connection = \"host\"\nmethod = \"md5\""),
        "perennial.toml:6:1: missing key \"address\" in [[server.access]] number 1\n  \
         hint: add address = \"10.0.0.0/8\": a network, \"samehost\" for this machine, or \"all\"\n\
         perennial.toml:8:10: unknown method \"md5\" in [[server.access]] number 1\n  \
         hint: known: trust, scram-sha-256, cert, reject",
    );
    check(
        &access("connection = \"host\"\naddress = \"10.0.0.0/33\"\nmethod = \"reject\"\nroles = [\"anne\"]"),
        "perennial.toml:8:11: \"address\" in [[server.access]] number 1 is \"10.0.0.0/33\", which is no network\n  \
         hint: write a network such as \"10.0.0.0/8\", \"samehost\" for this machine, or \"all\"\n\
         perennial.toml:10:10: unknown role \"anne\" in [[server.access]] number 1\n  hint: did you mean \"ann\"?",
    );
    check(
        &access("connection = \"local\"\naddress = \"all\"\nmethod = \"trust\"\nroles = []"),
        "perennial.toml:8:11: \"address\" in [[server.access]] number 1 is for TCP, and the Unix socket has none\n  \
         hint: take it out\n\
         perennial.toml:10:9: \"roles\" in [[server.access]] number 1 is empty\n  \
         hint: name a role, or take the key out for all of them",
    );
    check(
        &access("connection = \"hostssl\"\naddress = \"all\"\nmethod = \"cert\""),
        "perennial.toml:7:14: \"connection\" in [[server.access]] number 1 is \"hostssl\", and there is no TLS\n  \
         hint: add tls_certificate and tls_key to [server]\n\
         perennial.toml:9:10: \"method\" in [[server.access]] number 1 is \"cert\", and there are no authorities of client certificates\n  \
         hint: add tls_client_ca = \"file.pem\" to [server]",
    );
    check(
        &access(
            "connection = \"host\"\naddress = \"all\"\nmethod = \"cert\"\n[server]\nauthentication = \"trust\"",
        ),
        "perennial.toml:9:10: \"method\" in [[server.access]] number 1 is \"cert\", and only encrypted connections have certificates\n  \
         hint: write connection = \"hostssl\"\n\
         perennial.toml:11:18: \"authentication\" in [server] stands beside [[server.access]], which says it for each connection\n  \
         hint: take it out, or the rules",
    );
    check(
        &access("connection = \"hostnossl\"\naddress = \"10.0.0.0/8\"\nmethod = \"scram-sha-256\""),
        "perennial.toml:7:14: \"connection\" in [[server.access]] number 1 is \"hostnossl\", and other machines are let in with TLS only\n  \
         hint: write \"hostssl\", or address = \"samehost\"",
    );
    check(
        "[server]\nunix_socket = \"off\"\n[[server.access]]\nconnection = \"local\"\nmethod = \"scram-sha-256\"",
        "perennial.toml:6:14: \"connection\" in [[server.access]] number 1 is \"local\", and unix_socket in [server] is \"off\"\n  \
         hint: name its folder there, or take the rule out\n\
         perennial.toml:7:10: \"method\" in [[server.access]] number 1 needs a role with a password\n  \
         hint: add a [[role]] with a name and the password that `perennial password` prints",
    );
}

#[test]
fn trust_is_for_this_machine_where_others_reach_the_server() {
    let open = "[server]\nlisten = \"0.0.0.0:5433\"\ntls_certificate = \"a.pem\"\ntls_key = \"a.key\"\n";
    let rule = |address: &str| {
        format!("{open}[[server.access]]\nconnection = \"host\"\naddress = \"{address}\"\nmethod = \"trust\"")
    };
    for address in ["all", "10.0.0.0/8", "127.0.0.0/7", "::/0"] {
        check(
            &rule(address),
            "perennial.toml:10:10: \"method\" in [[server.access]] number 1 is \"trust\", and other machines reach 0.0.0.0:5433\n  \
             hint: write \"scram-sha-256\" or \"cert\", address = \"samehost\", or listen on 127.0.0.1",
        );
    }
    for address in ["samehost", "127.0.0.0/8", "::1"] {
        let text = format!("[lake]\nurl = \"x\"\n{}\n", rule(address));
        assert_eq!(parse(&text).expect("valid").server.access.len(), 1, "{address}");
    }
}

#[test]
fn the_rules_of_the_reference_are_read() {
    let page = registry::reference_markdown();
    let (_, rest) = page.split_once("```toml\n[server]\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let role = "[[role]]\nname = \"loader\"\n";
    let config = parse(&format!("[lake]\nurl = \"x\"\n[server]\n{example}{role}")).expect("valid");
    assert_eq!(config.server.access.len(), 4);
    assert_eq!(config.server.covered_rules(), []);
    assert_eq!(config.server.unix_socket.as_deref(), Some(Path::new("/tmp")));
}

#[test]
fn a_rule_that_no_connection_reaches_is_told_with_the_one_before_it() {
    let rule = |address: &str| {
        format!("[[server.access]]\nconnection = \"host\"\naddress = \"{address}\"\nmethod = \"reject\"\n")
    };
    let text = format!(
        "[lake]\nurl = \"x\"\n{}{}{}",
        rule("10.0.0.0/8"),
        rule("all"),
        rule("10.1.0.0/16")
    );
    let covered = parse(&text).expect("valid").server.covered_rules();
    let told: Vec<String> = covered.iter().map(ToString::to_string).collect();
    let expected = "11:1: no connection reaches [[server.access]] number 3, as number 1 in line 3 fits all of them: \
                    put it before that one, or take it out";
    assert_eq!(told, [expected]);
}

#[test]
fn a_currency_that_a_source_writes_out_is_one_of_iso_4217() {
    let of = |currency: &str| {
        let columns = format!("columns = {{ amount = \"total\", currency = \"{currency}\" }}\n");
        order("").replace("columns = { amount = \"total\" }\n", &columns)
    };
    check(
        &of("'EUX'"),
        "perennial.toml:9:42: \"columns.currency\" in [[source]] \"shop\" is \"EUX\", which is not a currency code of ISO 4217\n  \
         hint: did you mean \"EUR\"?",
    );
    // Rows are compared in upper case, a blank currency is none, and what an expression gives is known with the rows alone.
    for fits in ["'EUR'", " ' usd ' ", "''", "currency", "coalesce(code, 'EUX')"] {
        let config = format!(
            "[lake]\nurl = \"x\"\n{}\n[server]\nauthentication = \"trust\"\n",
            of(fits)
        );
        assert!(parse(&config).is_ok(), "{fits}: {:?}", parse(&config));
    }
}

#[test]
fn a_survey_that_is_nearly_one_of_those_that_count_is_a_slip() {
    let of = |survey: &str| {
        format!(
            "[[source]]\nname = \"asked\"\nkind = \"survey\"\npath = \"asked/\"\ntime = \"at\"\n\
             identifiers = {{ email = \"mail\" }}\ncolumns = {{ survey = \"{survey}\", score = \"score\" }}\n"
        )
    };
    check(
        &of("'npx'"),
        "perennial.toml:9:22: \"columns.survey\" in [[source]] \"asked\" is \"npx\", of which nothing is worked out\n  \
         hint: did you mean \"nps\"?",
    );
    for fits in ["'NPS'", "'onboarding'", "question"] {
        let config = format!(
            "[lake]\nurl = \"x\"\n{}\n[server]\nauthentication = \"trust\"\n",
            of(fits)
        );
        assert!(parse(&config).is_ok(), "{fits}: {:?}", parse(&config));
    }
}

#[test]
fn an_identifier_that_is_nearly_one_of_the_list_is_a_slip() {
    let of = |source: &str, list: &str| {
        let order = order("").replace("email = \"email\"", &format!("{source} = \"mail\""));
        format!("{order}[[identity.identifier]]\ntype = \"{list}\"\n")
    };
    check(
        &of("emial", "email"),
        "perennial.toml:8:25: unknown identifier \"emial\" in [[source]] \"shop\"\n  hint: did you mean \"email\" of \
         [[identity.identifier]] in line 11? If \"emial\" is another one, list it there, too",
    );
    // Another one is one of its own.
    let config = format!(
        "[lake]\nurl = \"x\"\n{}[server]\nauthentication = \"trust\"\n",
        of("shop_id", "email")
    );
    assert!(parse(&config).is_ok(), "{:?}", parse(&config));
}

#[test]
fn grammar_and_other_values() {
    let errors = parse("[lake]\nurl = \"x\nrefresh = \"10s\"\n").expect_err("not TOML");
    assert_eq!(errors.class(), ErrorClass::Syntax);
    assert!(errors.to_string().starts_with("perennial.toml:2:"), "{errors}");
    // One slip is one error, whatever the parser makes of the rest of its line.
    let errors = parse("[lake]\nurl = ./lake\nrefresh = \"10s\n").expect_err("not TOML");
    assert_eq!(
        errors.to_string(),
        "perennial.toml:2:7: neither a number nor a text: texts stand in quotes\nperennial.toml:3:15: invalid basic string, expected `\"`"
    );
    check(
        "[time]\nzone = 5",
        "perennial.toml:4:8: \"zone\" in [time] must be a text, not a number\n  hint: put the value in double quotes",
    );
    check(
        "[money]\ncurrency = \"eur\"",
        "perennial.toml:4:12: \"currency\" in [money] is \"eur\", which is not a currency code of ISO 4217\n  hint: did you mean \"EUR\"?",
    );
    check(
        "[money]\ncurrency = \"Pfund\"",
        "perennial.toml:4:12: \"currency\" in [money] is \"Pfund\", which is not a currency code of ISO 4217\n  hint: write a code such as \"EUR\" or \"USD\"",
    );
    let errors = parse("[lake]\nurl = \"s4://bucket\"").expect_err("no such scheme");
    assert!(
        errors.to_string().ends_with("hint: known: s3, gs, az, file"),
        "{errors}"
    );
    let errors = parse("[lake]\nurl = \"s3://me:secret@host/x\"").expect_err("credentials");
    assert!(!errors.to_string().contains("secret"), "{errors}");
}
