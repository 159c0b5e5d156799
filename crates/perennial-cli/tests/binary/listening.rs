//! What `serve` says of where it listens.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::support::{CONFIG, Client, Place, Running};

#[test]
fn rules_say_what_opens_and_one_that_no_connection_reaches_is_told() {
    let place = Place::new();
    let rules = r#"unix_socket = "./tmp"
[[server.access]]
connection = "local"
method = "trust"
[[server.access]]
connection = "local"
method = "reject"
"#;
    place.write("rules.toml", &CONFIG.replace("authentication = \"trust\"", rules));
    let folder = place.path("tmp").canonicalize().unwrap();
    let arguments = ["serve", "--config", "rules.toml", "--listen", "0.0.0.0:5999"];
    let mut server = Running::start(place.command(&arguments));
    let socket = folder.join(".s.PGSQL.5999").display().to_string();
    assert!(server.line("serving on the Unix socket ").starts_with(&socket));
    assert_eq!(
        server.line("0.0.0.0:5999 is not open, "),
        "as no rule of [[server.access]] is for TCP"
    );
    let warning = server.line("warning: rules.toml:");
    let (_, told) = warning.split_once(": ").unwrap();
    assert!(
        told.starts_with("no connection reaches [[server.access]] number 2, as number 1 in line "),
        "{warning}"
    );
    server.signal("INT");
    server.end().exits(0);
    let checked = place.run(&["check", "--config", "rules.toml"]);
    checked.says(&["no connection reaches [[server.access]] number 2"]);
    // Others reach what --listen names.
    let open = rules.replace("\"local\"", "\"host\"\naddress = \"all\"");
    place.write("open.toml", &CONFIG.replace("authentication = \"trust\"", &open));
    place
        .run(&["serve", "--config", "open.toml", "--listen", "0.0.0.0:0"])
        .exits(1)
        .says(&["refusing to listen on 0.0.0.0:0 without passwords"]);
}

#[test]
fn a_server_says_where_it_listens_and_what_opens_the_rest() {
    let place = Place::new();
    // Neither roles nor trust: the socket alone, whose name the port makes.
    place.write(
        "socket.toml",
        &CONFIG.replace("authentication = \"trust\"", "unix_socket = \"./tmp\""),
    );
    let folder = place.path("tmp").canonicalize().unwrap();
    let socket = folder.join(".s.PGSQL.5999");
    // Not at the first start alone.
    for _ in 0..2 {
        let arguments = ["serve", "--config", "socket.toml", "--listen", "127.0.0.1:5999"];
        let mut server = Running::start(place.command(&arguments));
        assert_eq!(
            server.line("serving on "),
            format!(
                "the Unix socket {}, for the system user of this process: psql -h {} -p 5999 -d perennial",
                socket.display(),
                folder.display()
            )
        );
        assert_eq!(
            server.line("127.0.0.1:5999 is not open, "),
            "as no role has a password: add a [[role]] with what `perennial password` prints, or write \
             authentication = \"trust\" in [server] to let in everybody on this machine"
        );
        let mut stream = UnixStream::connect(&socket).unwrap();
        let startup = b"\0\0\0\x24\0\x03\0\0user\0me\0database\0perennial\0\0";
        assert_eq!(startup.len(), 0x24);
        stream.write_all(startup).unwrap();
        // The log-in is done: `R`, of eight bytes, with a zero.
        let mut answer = [0; 9];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"R\0\0\0\x08\0\0\0\0");
        drop(stream);
        server.signal("INT");
        server.end().exits(0);
    }
    // Both, each with its place.
    place.write(
        "both.toml",
        &CONFIG.replace(
            "authentication = \"trust\"",
            "authentication = \"trust\"\nunix_socket = \"./tmp\"",
        ),
    );
    let mut server =
        Running::start(place.command(&["serve", "--config", "both.toml", "--listen", "127.0.0.1:0"]));
    let address = server.line("serving on ");
    let (_, port) = address.rsplit_once(':').unwrap();
    assert_eq!(
        server.line("serving on the Unix socket "),
        folder.join(format!(".s.PGSQL.{port}")).display().to_string()
    );
    assert_eq!(Client::connect(&address).ask("SELECT 1"), "1");
}
