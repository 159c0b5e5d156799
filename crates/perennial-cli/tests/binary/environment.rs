//! What the machine refuses: ports, rights, room, stores. The exit code is 3, and nothing is lost.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::{ANN, BOB, BOTH, CONFIG, CUSTOMERS, Client, Place, Running, Told, orders};

#[test]
fn a_port_in_use_is_named() {
    let place = Place::unified();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    place.run(&["serve", "--listen", &address]).exits(3).says(&[
        &format!("error: cannot listen on {address}: "),
        "hint: Another process listens there: end it, or choose another address with --listen or server.listen.",
    ]);
    assert_eq!(place.answers(CUSTOMERS), BOTH);
    // A demo tells it before it makes one.
    let told = place
        .run(&["demo", "--dir", "demo", "--listen", &address])
        .exits(3);
    told.says(&[&format!("error: cannot listen on {address}: ")]);
    assert!(!place.path("demo").exists());
}

#[test]
fn an_address_that_lets_strangers_in_is_refused() {
    let place = Place::unified();
    place.run(&["serve", "--listen", "0.0.0.0:0"]).exits(1).says(&[
        "error: refusing to listen on 0.0.0.0:0 without passwords",
        "hint: Set server.authentication, or the method in [[server.access]], to \"scram-sha-256\", or listen on a loopback address.",
    ]);
    let verifier = place.run(&["password", "--password", "x"]).exits(0).stdout;
    let config = format!(
        "{}[[role]]\nname = \"admin\"\nowner = true\npassword = \"{}\"\n",
        CONFIG.replace("\"trust\"", "\"scram-sha-256\""),
        verifier.trim()
    );
    place.write("scram.toml", &config);
    place
        .run(&["serve", "--config", "scram.toml", "--listen", "0.0.0.0:0"])
        .exits(1)
        .says(&["error: refusing to listen on 0.0.0.0:0 without TLS", "hint: "]);
}

#[test]
fn a_lake_that_is_no_folder_is_the_users_to_correct() {
    let place = Place::unified();
    for (url, reason) in [
        ("./absent", "the folder does not exist"),
        ("./perennial.toml", "it is a file, not a folder"),
    ] {
        place.write("other.toml", &CONFIG.replace("./lake", url));
        for command in [
            vec!["check"],
            vec!["unify"],
            vec!["serve"],
            vec!["query", "SELECT 1"],
        ] {
            let arguments = [command, vec!["--config", "other.toml"]].concat();
            place.run(&arguments).exits(1).says(&[
                &format!("error: cannot open the lake \"{url}\": {reason}"),
                "hint: Create the folder, or correct \"url\" in the section [lake].",
            ]);
        }
    }
    assert_eq!(place.answers(CUSTOMERS), BOTH);
}

#[test]
fn rights_that_lack_are_named_and_nothing_is_lost() {
    let place = Place::unified();
    fs::create_dir(place.path("lake/orders/2026")).unwrap();
    let before = place.written();
    let rights = |path: &str, mode| {
        fs::set_permissions(place.path(path), Permissions::from_mode(mode)).unwrap();
    };
    let grant =
        "hint: Grant access to the operating system's user, or check the credentials in the environment.";
    for (path, mode, parts) in [
        (
            "lake",
            0o000,
            [
                "error: cannot open the lake \"./lake\": permission denied",
                "hint: Grant the operating system's user access to the folder.",
                "",
            ],
        ),
        (
            "lake/orders",
            0o000,
            [
                "error: not allowed to list \"orders\"",
                "detail: The lake is \"./lake\".",
                grant,
            ],
        ),
        (
            "lake/orders/2026",
            0o000,
            [
                "error: not allowed to list \"orders/2026\"",
                "detail: The lake is \"./lake\".",
                grant,
            ],
        ),
        (
            "lake/_perennial/probe",
            0o500,
            [
                "error: not allowed to write \"_perennial/probe/",
                "The lake is \"./lake\".",
                grant,
            ],
        ),
        // Without a file that is served the run would forget its rows.
        (
            "lake/orders/a.parquet",
            0o000,
            [
                "error: not allowed to read \"orders/a.parquet\"",
                "The lake is \"./lake\".",
                grant,
            ],
        ),
    ] {
        rights(path, mode);
        let told = Told::by(place.without_power(&["unify", "--full"]));
        rights(path, 0o700);
        told.exits(3).says(&parts);
        assert_eq!(place.written(), before, "{path}");
        assert_eq!(place.answers(CUSTOMERS), BOTH, "{path}");
    }
    // A new file that may not be read keeps nobody else out, and is read when it may be.
    let more = "('3', 'cy@example.org', 1.0, 'EUR', '2026-01-03T00:00:00Z')";
    place.land("orders/b.parquet", &place.parquet(&orders(&[more])));
    rights("lake/orders/b.parquet", 0o000);
    let told = Told::by(place.without_power(&["unify"]));
    rights("lake/orders/b.parquet", 0o700);
    told.exits(0)
        .says(&["quarantined: orders/b.parquet of shop: may not be read: access is denied"]);
    assert_eq!(place.answers(CUSTOMERS), BOTH);
    place.run(&["unify"]).exits(0);
    assert_eq!(
        place.answers(CUSTOMERS),
        [BOTH[0], BOTH[1], "cy@example.org,1,1.0000"]
    );
}

/// What is said when there is no room for a snapshot.
const NO_ROOM: [&str; 3] = [
    "error: no space left to write \"_perennial/",
    "detail: Nothing was committed: what is served stays as it is. The lake is \"./lake\".",
    "hint: Free space on the disk of the lake, or raise the quota, and run again.",
];

/// A small disk over the folder of the lake, seen by this script alone: full, and full but for so much that a run begins
/// to write. What a run says and leaves is put beside it.
const SMALL_DISK: &str = r#"
set -eu
cp -Rp lake landed
mount -t tmpfs -o size=2m tmpfs lake
cp -Rp landed/. lake
find lake/_perennial -type f | sort > before
for room in 0 12; do
    head -c 4000000 /dev/zero > lake/filler.tmp || true
    truncate -s "-${room}k" lake/filler.tmp
    code=0
    "$0" unify --full 2> "said-$room" || code=$?
    echo "$code" > "code-$room"
    find lake/_perennial -type f | sort > "after-$room"
    rm lake/filler.tmp
    "$0" query --format csv "$1" > "answers-$room"
done
"$0" unify --full
"#;

#[test]
fn a_run_without_room_commits_nothing_and_leaves_nothing() {
    // A limit on the size of files, which every machine has.
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$0\" unify --full";
    let place = Place::new();
    place.land("orders/a.parquet", &place.parquet(&orders(&[ANN, BOB])));
    // There is nothing yet that could stay in force.
    Told::by(place.script(limited)).exits(3).says(&NO_ROOM);
    place.run(&["unify"]).exits(0);
    let before = place.written();
    Told::by(place.script(limited)).exits(3).says(&NO_ROOM);
    assert_eq!(place.written(), before);
    assert_eq!(place.answers(CUSTOMERS), BOTH);
    place.run(&["unify", "--full"]).exits(0);
    assert_eq!(place.answers(CUSTOMERS), BOTH);

    // A disk that is full, where the kernel lets everybody mount one in a name space of his own.
    let apart = |script: &str| {
        let mut command =
            place.script("exec unshare --user --map-root-user --mount sh -c \"$1\" \"$0\" \"$2\"");
        command.args([script, CUSTOMERS]);
        Told::by(command)
    };
    if !apart("mount -t tmpfs tmpfs tmp").status.success() {
        println!("no mounts here: the limit on the size of files stands for the full disk");
        return;
    }
    apart(SMALL_DISK).exits(0);
    let read = |name: String| fs::read_to_string(place.path(&name)).unwrap();
    for room in [0, 12] {
        let said = read(format!("said-{room}"));
        assert_eq!(read(format!("code-{room}")), "3\n", "{said}");
        for part in NO_ROOM {
            assert!(said.contains(part), "it lacks {part:?}:\n{said}");
        }
        assert_eq!(read(format!("after-{room}")), read("before".to_owned()));
        let answers = read(format!("answers-{room}"));
        assert_eq!(answers.lines().skip(1).collect::<Vec<_>>(), BOTH);
    }
    // It got further the second time.
    assert!(!read("said-0".to_owned()).contains("write customers"));
    assert!(read("said-12".to_owned()).contains("\"_perennial/data/"));
}

#[test]
fn a_statement_without_room_to_spill_says_so() {
    let place = Place::unified();
    place.write(
        "perennial.toml",
        &format!("{CONFIG}statement_memory = \"64MB\"\n"),
    );
    // A limit on the size of files, which every machine has, stands for the full disk.
    for sql in [
        "SELECT x, md5(x::text) AS m FROM generate_series(1, 1000000) AS t(x) ORDER BY m",
        "SELECT md5(x::text) AS m, count(*) FROM generate_series(1, 600000) AS t(x) GROUP BY m",
    ] {
        let limited = format!("trap '' XFSZ; ulimit -f 1; exec \"$0\" query --format csv \"{sql}\"");
        Told::by(place.script(&limited)).exits(3).says(&[
            "error: no space left for spilled data",
            "hint: Select less, or free space in the folder of server.spill_dir.",
        ]);
    }
    assert_eq!(place.answers(CUSTOMERS), BOTH);
}

#[test]
fn a_data_file_that_was_cut_is_named_and_made_anew() {
    let place = Place::unified();
    let orders = place.written().into_iter().find(|path| {
        let path = path.to_str().unwrap();
        path.contains("data/orders/")
    });
    let file = File::options().write(true).open(orders.unwrap()).unwrap();
    let written = file.metadata().unwrap().len();
    file.set_len(written / 2).unwrap();
    let cut = format!(
        "is damaged: it has {} bytes, and {written} were written",
        written / 2
    );
    place.run(&["query", "SELECT * FROM orders"]).exits(3).says(&[
        "error: data file \"_perennial/data/orders/",
        &cut,
        "hint: `perennial unify --full` makes all data files anew from what has landed",
    ]);
    place.run(&["unify", "--full"]).exits(0);
    assert_eq!(
        place.answers("SELECT count(*), sum(amount) FROM orders"),
        ["2,30.5000"]
    );
    assert_eq!(place.answers(CUSTOMERS), BOTH);
}

#[test]
fn an_answer_that_does_not_reach_its_end_is_an_error() {
    let place = Place::unified();
    let rows = "SELECT x FROM generate_series(1, 20000) AS t(x)";
    for format in ["table", "csv", "json", "parquet"] {
        let full = format!("exec \"$0\" query --format {format} '{rows}' > /dev/full");
        Told::by(place.script(&full)).exits(3).says(&[
            "error: the answer cannot be written to standard output",
            "detail: No space left on device",
            "hint: Make room on the disk",
        ]);
        // A reader that has seen enough is none.
        let mut child = place
            .command(&["query", "--format", format, rows])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{format}: {output:?}"
        );
    }
    // A password that nobody has read must not be in force.
    Told::by(place.script("exec \"$0\" init ./lake --out new.toml > /dev/full"))
        .exits(3)
        .says(&["error: the answer cannot be written to standard output"]);
    assert!(!place.path("new.toml").exists());
    // Nor is one of use whose configuration is not there.
    let told = Told::by(place.script("trap '' XFSZ; ulimit -f 0; exec \"$0\" init ./lake --out new.toml"));
    let told = told.exits(3).says(&[
        "error: \"new.toml\" cannot be written",
        "hint: Make room on the disk",
    ]);
    assert_eq!(told.stdout, "");
    assert!(!place.path("new.toml").exists());
}

#[test]
fn a_store_that_refuses_is_named_without_its_secrets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // The store lives as long as the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            // The end of the request's head.
            if lines.any(|line| line.is_empty()) {
                let answer = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                let _ = (&stream).write_all(answer);
            }
        }
    });
    let place = Place::new();
    place.write("s3.toml", &CONFIG.replace("./lake", "s3://bucket/shop"));
    for arguments in [
        vec!["check", "--config", "s3.toml"],
        vec!["unify", "--config", "s3.toml"],
        vec!["init", "s3://bucket/shop", "--out", "new.toml"],
    ] {
        let mut command = place.command(&arguments);
        command
            .env("AWS_ENDPOINT_URL", &endpoint)
            .env("AWS_ALLOW_HTTP", "true")
            .env("NO_PROXY", "127.0.0.1")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "sesame");
        let told = Told::by(command).exits(3).says(&[
            "error: not allowed to list \"_perennial/snapshots\"",
            "detail: The lake is \"s3://bucket/shop\".",
            "hint: Grant access to the operating system's user, or check the credentials in the environment.",
        ]);
        assert!(!told.stderr.contains("sesame"), "{}", told.stderr);
    }
    assert!(!place.path("new.toml").exists());
}

#[test]
fn a_look_at_the_lake_that_fails_is_a_row_of_the_runs() {
    let place = Place::unified();
    place.write(
        "perennial.toml",
        &CONFIG.replace("refresh = \"off\"", "refresh = \"1s\""),
    );
    place.run(&["unify"]).exits(0);
    let mut server = Running::start(place.without_power(&["serve", "--listen", "127.0.0.1:0"]));
    let address = server.line("serving on ");
    let mut client = Client::connect(&address);
    let orders = place.path("lake/orders");
    fs::set_permissions(&orders, Permissions::from_mode(0o000)).unwrap();
    let failed = "SELECT coalesce(min(error), 'none') FROM perennial.runs WHERE state = 'failed'";
    client.ask_until(failed, "not allowed to list \"orders\"");
    // What is served is served on.
    assert_eq!(client.ask("SELECT count(*) FROM customers"), "2");
    fs::set_permissions(&orders, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_configuration_that_may_not_be_read_is_no_fault_of_what_was_asked() {
    let place = Place::unified();
    fs::set_permissions(place.path("perennial.toml"), Permissions::from_mode(0o000)).unwrap();
    for arguments in [&["check"][..], &["unify"], &["serve"], &["query", "SELECT 1"]] {
        Told::by(place.without_power(arguments)).exits(3).says(&[
            "error: perennial.toml: cannot read the configuration: Permission denied",
            "hint: see that the file can be read by the system user",
        ]);
    }
    fs::set_permissions(place.path("perennial.toml"), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(place.answers(CUSTOMERS), BOTH);
}

#[test]
fn a_lake_that_was_away_is_one_row_of_the_runs_and_two_lines_of_the_log() {
    let place = Place::unified();
    place.write(
        "perennial.toml",
        &CONFIG.replace("refresh = \"off\"", "refresh = \"100ms\""),
    );
    place.run(&["unify"]).exits(0);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--log", "info"];
    let mut server = Running::start(place.command(&serve));
    let address = server.line("serving on ");
    let mut client = Client::connect(&address);
    let runs = "SELECT count(*) FROM perennial.runs WHERE state = 'failed'";
    assert_eq!(client.ask(runs), "0");
    fs::rename(place.path("lake"), place.path("away")).unwrap();
    server.hears("run failed; what is served stays as it is, and it is tried again");
    tried_again(&mut client);
    fs::rename(place.path("away"), place.path("lake")).unwrap();
    server.hears("what failed is over");
    // There is nothing in its place that would stand in its way, and what it has is served.
    place.land(
        "orders/c.parquet",
        &place.parquet(&orders(&[
            "('3', 'cy@example.org', 1.0, 'EUR', '2026-01-03T00:00:00Z')",
        ])),
    );
    client.ask_until("SELECT count(*) FROM customers", "3");
    let row = "SELECT count(*) || ' ' || bool_and(finished_at > started_at) || ' ' || min(error) FROM perennial.runs \
               WHERE state = 'failed'";
    let told = client.ask(row);
    assert!(
        told.starts_with("1 true ") && told.contains("the folder of the lake is not there"),
        "{told}"
    );
    server.signal("TERM");
    let told = server.end().exits(0).stderr;
    for said in ["run failed", "what failed is over"] {
        assert_eq!(told.matches(said).count(), 1, "{told}");
    }
}

#[test]
fn the_folder_that_a_lake_is_mounted_over_takes_its_place_for_nobody() {
    let place = Place::unified();
    let refreshed = CONFIG.replace("refresh = \"off\"", "refresh = \"100ms\"");
    place.write("perennial.toml", &refreshed);
    let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0", "--log", "info"]));
    let mut client = Client::connect(&server.line("serving on "));
    fs::rename(place.path("lake"), place.path("away")).unwrap();
    fs::create_dir(place.path("lake")).unwrap();
    let told = server.hears("snapshot 1, the newest, is not in the lake any more");
    assert!(told.contains("Is all of the lake there?"), "{told}");
    assert_eq!(client.ask("SELECT count(*) FROM customers"), "2");
    fs::rename(place.path("lake"), place.path("over")).unwrap();
    fs::rename(place.path("away"), place.path("lake")).unwrap();
    server.hears("what failed is over");
    assert_eq!(
        client.ask("SELECT count(*) FROM customer_360 WHERE orders = 1"),
        "2"
    );
    assert_eq!(
        client.ask("SELECT max(snapshot)::text FROM perennial.snapshots"),
        "1"
    );
}

/// Waits until what fails has failed three times more.
fn tried_again(client: &mut Client) {
    let last = "SELECT coalesce(max(finished_at)::text, 'never') FROM perennial.runs WHERE state = 'failed'";
    for _ in 0..3 {
        let known = client.ask(last);
        let another = format!("SELECT (({last}) <> '{known}')::text");
        client.ask_until(&another, "true");
    }
}

#[test]
fn runs_that_fail_alike_are_one_row_although_each_has_other_files() {
    let place = Place::unified();
    place.write(
        "perennial.toml",
        &CONFIG.replace("refresh = \"off\"", "refresh = \"100ms\""),
    );
    let probe = place.path("lake/_perennial/probe");
    fs::set_permissions(&probe, Permissions::from_mode(0o555)).unwrap();
    let mut server = Running::start(place.without_power(&["serve", "--listen", "127.0.0.1:0"]));
    let mut client = Client::connect(&server.line("serving on "));
    place.land("orders/b.parquet", &place.parquet(&orders(&[BOB])));
    tried_again(&mut client);
    let failed = "SELECT count(*) || ' ' || min(error) FROM perennial.runs WHERE state = 'failed'";
    let told = client.ask(failed);
    assert!(
        told.starts_with("1 not allowed to write \"_perennial/probe/"),
        "{told}"
    );
    fs::set_permissions(&probe, Permissions::from_mode(0o755)).unwrap();
    client.ask_until("SELECT max(snapshot)::text FROM perennial.snapshots", "2");
    server.signal("TERM");
    let told = server.end().exits(0).stderr;
    assert_eq!(told.matches("run failed").count(), 1, "{told}");
}

#[test]
fn a_lake_in_which_nothing_has_landed_is_not_unified() {
    let place = Place::new();
    let none = "error: no source has a file in the lake \"./lake\"";
    for arguments in [&["unify"][..], &["unify", "--full"]] {
        place
            .run(arguments)
            .exits(1)
            .says(&[none, "hint: Land files there", "mounted"]);
    }
    place.run(&["unify", "--config", "nothing.toml"]).exits(1).says(&[
        "error: no source has a file in the lake \"./nothing\"",
        "detail: The configuration has no [[source]].",
    ]);
    let bytes = place.parquet(&orders(&[ANN, BOB]));
    place.land("other/a.parquet", &bytes);
    place.run(&["unify"]).exits(1).says(&[
        none,
        "detail: No path of a source leads to 1 Parquet file.",
        "hint: Correct the paths",
    ]);
    assert!(place.written().is_empty(), "{:?}", place.written());

    // A server waits for files.
    place.write(
        "perennial.toml",
        &CONFIG.replace("refresh = \"off\"", "refresh = \"100ms\""),
    );
    let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
    let mut client = Client::connect(&server.line("serving on "));
    server.hears("no source has a file in the lake \"./lake\"; the server waits for files");
    assert_eq!(client.ask("SELECT count(*) FROM customer_360"), "0");
    place.land("orders/a.parquet", &bytes);
    client.ask_until("SELECT count(*) FROM customer_360", "2");
    assert_eq!(
        client.ask("SELECT count(*) FROM perennial.runs WHERE state = 'failed'"),
        "0"
    );
    server.signal("TERM");
    let told = server.end().exits(0).stderr;
    assert_eq!(told.matches("waits for files").count(), 1, "{told}");

    // What is gone from then on is removed as ever.
    fs::remove_file(place.path("lake/orders/a.parquet")).unwrap();
    place.run(&["unify"]).exits(0).says(&["snapshot 2: "]);
}

#[test]
fn where_the_system_has_no_room_for_threads_statements_share_those_that_there_are() {
    let place = Place::unified();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("PERENNIAL__LAKE__REFRESH", "off");
    let mut server = Running::start(command);
    let mut client = Client::connect(&server.line("serving on "));
    assert_eq!(client.ask("SELECT 1"), "1");
    // One more stack, and what the statements take.
    server.may_grow_by(100 << 20);
    client.ask("BEGIN");
    for number in 0..10 {
        let rows = "SELECT x FROM generate_series(1, 100000) AS t(x)";
        client.ask(&format!("DECLARE c{number} CURSOR FOR {rows}"));
        assert_eq!(client.ask(&format!("FETCH 1 FROM c{number}")), "1");
    }
    server.hears("OS can't spawn worker thread");
    client.ask("ROLLBACK");
    server.signal("INT");
    server.end().exits(0);
}
