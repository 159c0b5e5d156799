//! Bytes that are no messages, or not the ones that are due. A transcript without a word is a connection that was closed.

use libtest_mimic::Failed;

use crate::bytes::{
    ENCRYPTION, VERSION, announced, bind, describe, execute, message, packet, parse, query, startup, sync,
    terminate,
};
use crate::client::Connection;
use crate::fault::Fault;
use crate::server::READER;

/// The end of a connection on which nothing can be read any more.
const CLOSED: &[&str] = &["", "08P01"];

pub(crate) fn faults() -> Vec<Fault> {
    [before_the_login(), frames(), contents(), pipelines()]
        .into_iter()
        .flatten()
        .collect()
}

/// Bytes that are the same in every run, and nothing else.
fn garbage(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

fn before_the_login() -> Vec<Fault> {
    const AREA: &str = "wire_startup";
    let length = |name, length: u32| {
        Fault::first_bytes(AREA, name, CLOSED, move || {
            [length.to_be_bytes(), VERSION.to_be_bytes()].concat()
        })
    };
    let version = |minor| move || packet(VERSION + minor, b"user\0reader\0database\0perennial\0\0");
    vec![
        length("length_0", 0),
        length("length_3", 3),
        length("length_2_to_the_31", 1 << 31),
        length("length_2_to_the_31_less_1", (1 << 31) - 1),
        length("length_2_to_the_32_less_1", u32::MAX),
        Fault::first_bytes(AREA, "packet_of_8_mib", CLOSED, || {
            packet(VERSION, &vec![b'x'; 8 << 20])
        }),
        Fault::first_bytes(AREA, "cut", CLOSED, || {
            let mut cut = startup(READER, &[]);
            cut.truncate(cut.len() - 5);
            cut
        }),
        Fault::first_bytes(AREA, "garbage", CLOSED, || garbage(100_000)),
        Fault::first_bytes(AREA, "http", CLOSED, || {
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()
        }),
        Fault::first_bytes(AREA, "tls_without_a_request", CLOSED, || {
            [
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
                garbage(500),
            ]
            .concat()
        }),
        Fault::first_bytes(AREA, "version_4", &["0A000"], || {
            packet(4 << 16, b"user\0reader\0\0")
        }),
        Fault::first_bytes(AREA, "minor_version_9", &["v R10"], version(9)),
        Fault::first_bytes(AREA, "option_of_the_protocol", &["v R10"], || {
            packet(
                VERSION,
                b"user\0reader\0database\0perennial\0_pq_.absent\x001\0\0",
            )
        }),
        Fault::first_bytes(AREA, "no_user", &["28000"], || {
            packet(VERSION, b"database\0perennial\0\0")
        }),
        Fault::first_bytes(AREA, "text_without_nul", &["08P01"], || {
            packet(VERSION, b"user\0reader")
        }),
        Fault::first_bytes(AREA, "name_without_value", &["08P01"], || {
            packet(VERSION, b"user\0")
        }),
        Fault::first_bytes(AREA, "bytes_behind_the_end", &["08P01"], || {
            packet(VERSION, b"user\0reader\0\0hidden\0x\0\0")
        }),
        Fault::first_bytes(AREA, "user_that_is_no_utf8", &["22021", "R10"], || {
            packet(VERSION, b"user\0\xff\xfe\0\0")
        }),
        Fault::first_bytes(AREA, "empty_option", &["22023", "42601", "R10", "08P01"], || {
            startup(READER, &[("options", "-c=")])
        }),
        Fault::new(AREA, "plaintext_behind_a_request_for_tls", CLOSED, |server| {
            let mut connection = Connection::open(&server.address)?;
            let hidden = [packet(ENCRYPTION, b""), startup(READER, &[]), query("SELECT 42")];
            connection.send(&hidden.concat())?;
            connection.encryption()?;
            connection.transcript()
        }),
        Fault::new(
            AREA,
            "requests_for_tls_without_end",
            &["", "08P01", "0A000"],
            |server| {
                let mut connection = Connection::open(&server.address)?;
                for _ in 0..10 {
                    // It may have closed the connection at the second one.
                    let sent = connection.send(&packet(ENCRYPTION, b""));
                    if sent.is_err() || connection.encryption()? != b'N' {
                        break;
                    }
                }
                connection.no_more()?;
                connection.transcript()
            },
        ),
    ]
}

/// A message that is wrong by itself; what follows it is right, and answered where the stream is still in step.
fn frames() -> Vec<Fault> {
    const AREA: &str = "wire_frame";
    let fatal = |name, length: u32, body: &'static [u8]| {
        Fault::bytes(AREA, name, &["", "08P01", "54000"], move || {
            announced(b'Q', length, body)
        })
    };
    vec![
        fatal("length_0", 0, b"SELECT 1\0"),
        fatal("length_3", 3, b"SELECT 1\0"),
        fatal("length_2_to_the_31", 1 << 31, b"SELECT 1\0"),
        fatal("length_2_to_the_31_less_1", (1 << 31) - 1, b"SELECT 1\0"),
        fatal("length_2_to_the_32_less_1", u32::MAX, b"SELECT 1\0"),
        Fault::last_bytes(AREA, "length_of_900_mib", &["", "54000"], || {
            announced(b'Q', 900 << 20, b"SELECT 1\0")
        }),
        Fault::last_bytes(AREA, "cut", CLOSED, || announced(b'Q', 100, b"SELECT 1\0")),
        Fault::bytes(AREA, "unknown_kind", CLOSED, || message(b'?', b"SELECT 1\0")),
        Fault::bytes(AREA, "kind_0", CLOSED, || message(0, b"SELECT 1\0")),
        Fault::bytes(AREA, "http", CLOSED, || {
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()
        }),
        Fault::bytes(AREA, "second_startup", CLOSED, || startup("admin", &[])),
        Fault::bytes(AREA, "garbage", CLOSED, || {
            [b"\xff".to_vec(), garbage(100_000)].concat()
        }),
        Fault::bytes(
            AREA,
            "password_after_the_login",
            &["08P01", "08P01 Z =42 Z"],
            || [message(b'p', b"x\0"), query("SELECT 42")].concat(),
        ),
        Fault::new(AREA, "random_bodies", &["no defect"], |server| {
            let bytes = garbage(64 << 10);
            for (round, body) in bytes.chunks(64).enumerate() {
                let kinds = b"QPBDECHSdcfF";
                let kind = kinds.get(round % kinds.len()).copied().unwrap_or(b'Q');
                let mut session = server.session()?;
                session.play(&[message(kind, body), sync(), terminate()].concat())?;
            }
            Ok("no defect".to_owned())
        })
        .heavy(),
    ]
}

fn contents() -> Vec<Fault> {
    const AREA: &str = "wire_content";
    /// Refused; and the next message is answered.
    const REFUSED: &[&str] = &["08P01 Z =42 Z"];
    /// The same, or the statement that it names is missed first.
    const UNNAMED: &[&str] = &["08P01 Z =42 Z", "26000 Z =42 Z"];
    let refused = |name, expected: &'static [&'static str], wrong: fn() -> Vec<u8>| {
        Fault::bytes(AREA, name, expected, move || {
            let mut bytes = wrong();
            if bytes.first() != Some(&b'Q') {
                bytes.extend(sync());
            }
            [bytes, query("SELECT 42")].concat()
        })
    };
    vec![
        refused("query_without_nul", REFUSED, || message(b'Q', b"SELECT 7")),
        refused("empty_query_without_nul", REFUSED, || message(b'Q', b"")),
        refused("bytes_behind_nul", REFUSED, || {
            message(b'Q', b"SELECT 7\0SELECT 8\0")
        }),
        refused("message_behind_nul", REFUSED, || {
            message(b'Q', &[b"SELECT 7\0".to_vec(), query("SELECT 8")].concat())
        }),
        refused("query_that_is_no_utf8", &["22021 Z =42 Z"], || {
            message(b'Q', b"SELECT '\xff'\0")
        }),
        refused("cut_parse", REFUSED, || message(b'P', b"s\0SELECT 7")),
        refused("parse_without_types", REFUSED, || message(b'P', b"s\0SELECT 7\0")),
        refused("parse_with_65535_types", REFUSED, || {
            message(b'P', b"s\0SELECT 7\0\xff\xff")
        }),
        refused("parse_that_is_no_utf8", &["22021 Z =42 Z"], || {
            message(b'P', b"\0SELECT '\xff'\0\0\0")
        }),
        refused("cut_bind", UNNAMED, || message(b'B', b"\0\0\0")),
        refused("bind_with_65535_formats", UNNAMED, || {
            message(b'B', b"\0\0\xff\xff\0\0")
        }),
        refused("bind_with_65535_values", UNNAMED, || {
            message(b'B', b"\0\0\0\0\xff\xff")
        }),
        refused("bind_of_a_gigabyte", REFUSED, || {
            with_parameter(message(b'B', b"\0\0\0\0\0\x01\x40\0\0\0x\0\0"))
        }),
        refused("bind_of_a_negative_length", REFUSED, || {
            with_parameter(message(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xf0x\0\0"))
        }),
        refused("bind_with_bytes_behind", REFUSED, || {
            with_parameter(message(b'B', b"\0\0\0\0\0\x01\0\0\0\x017\0\0hidden"))
        }),
        refused("bind_of_no_value", REFUSED, || {
            with_parameter(bind("", "", 0, &[]))
        }),
        refused("bind_in_format_7", &["22023 Z =42 Z", "08P01 Z =42 Z"], || {
            with_parameter(bind("", "", 7, &[b"7"]))
        }),
        refused("cut_execute", REFUSED, || message(b'E', b"\0\0\0")),
        refused("cut_describe", REFUSED, || message(b'D', b"S")),
        refused("describe_of_neither", REFUSED, || describe(b'X', "")),
        refused("close_of_neither", REFUSED, || message(b'C', b"X\0")),
        refused("unknown_portal", &["34000 Z =42 Z"], || execute("absent")),
        refused("description_of_an_unknown_portal", &["34000 Z =42 Z"], || {
            describe(b'P', "absent")
        }),
        refused("unknown_statement", &["26000 Z =42 Z"], || {
            bind("", "absent", 0, &[])
        }),
        refused("description_of_an_unknown_statement", &["26000 Z =42 Z"], || {
            describe(b'S', "absent")
        }),
        refused("short_binary_value", &["22P03 Z =42 Z", "08P01 Z =42 Z"], || {
            with_parameter(bind("", "", 1, &[&[0, 0, 7]]))
        }),
        refused("long_binary_value", &["22P03 Z =42 Z", "08P01 Z =42 Z"], || {
            with_parameter(bind("", "", 1, &[&[0, 0, 0, 0, 7]]))
        }),
        refused("text_value_of_another_type", &["22P02 Z =42 Z"], || {
            with_parameter(bind("", "", 0, &[b"seven"]))
        }),
        refused("value_that_is_no_utf8", &["22021 Z =42 Z"], || {
            [parse("", "SELECT $1::text"), bind("", "", 0, &[b"\xff"])].concat()
        }),
        refused("value_with_a_nul", &["22021 Z =42 Z"], || {
            [parse("", "SELECT $1::text"), bind("", "", 0, &[b"a\0b"])].concat()
        }),
        refused("rows_of_a_copy_that_is_none", &["Z =42 Z"], || {
            message(b'd', b"7\n")
        }),
        refused(
            "function_call",
            &["0A000 Z Z =42 Z", "08P01 Z Z =42 Z", "42883 Z Z =42 Z"],
            || message(b'F', &[0; 10]),
        ),
    ]
}

/// A message behind a statement with one parameter, an integer.
fn with_parameter(behind: Vec<u8>) -> Vec<u8> {
    [parse("", "SELECT $1::int"), behind].concat()
}

/// Messages that are sent without waiting for answers: an error skips to Sync, and each Sync has one ReadyForQuery.
fn pipelines() -> Vec<Fault> {
    const AREA: &str = "wire_pipeline";
    let all = |statements: &[&str]| {
        let three = |sql: &&str| [parse("", sql), bind("", "", 0, &[]), execute("")].concat();
        [statements.iter().map(three).collect::<Vec<_>>().concat(), sync()].concat()
    };
    vec![
        Fault::bytes(AREA, "unknown_column", &["42703 Z =42 Z"], move || {
            [all(&["SELECT absent"]), all(&["SELECT 42"])].concat()
        }),
        Fault::bytes(AREA, "error_between", &["=1 22012 Z =42 Z"], move || {
            [
                all(&["SELECT 1", "SELECT 1 / 0", "SELECT 3"]),
                all(&["SELECT 42"]),
            ]
            .concat()
        }),
        Fault::bytes(
            AREA,
            "error_while_rows_flow",
            &["=1 22012 Z =42 Z", "22012 Z =42 Z"],
            move || {
                let fails = "SELECT 1 / (2 - x) FROM generate_series(1, 3) AS t(x)";
                [all(&[fails, "SELECT 3"]), all(&["SELECT 42"])].concat()
            },
        ),
        Fault::bytes(AREA, "syncs_without_work", &["Z Z Z =42 Z"], || {
            [sync(), sync(), sync(), query("SELECT 42")].concat()
        }),
        Fault::bytes(AREA, "query_among_errors", &["42703 Z =42 Z"], || {
            let skipped = query("SELECT 7");
            [parse("", "SELECT absent"), skipped, sync(), query("SELECT 42")].concat()
        }),
        Fault::new(
            AREA,
            "1000_statements_unread",
            &["all answered"],
            |server| -> Result<String, Failed> {
                let mut session = server.session()?;
                let one = [parse("", "SELECT 1"), bind("", "", 0, &[]), execute(""), sync()].concat();
                session.send(&one.repeat(1_000))?;
                for _ in 0..1_000 {
                    let outcome = session.reply()?.outcome();
                    if outcome != "= 1" {
                        return Ok(outcome);
                    }
                }
                Ok("all answered".to_owned())
            },
        ),
    ]
}
