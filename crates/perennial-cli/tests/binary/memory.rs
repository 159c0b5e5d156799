//! What a result takes of the server's memory.

use crate::support::{Client, Place, Running};

/// Bytes of a result, and what the server may grow by while it sends one. The two batches between plan and client and the
/// buffer of the connection are of some megabytes, and the allocator keeps several of what it was given back.
const RESULT: u64 = 300_000_000;
const GROWTH: u64 = 100_000_000;

#[test]
fn a_large_result_takes_no_memory_however_slowly_it_is_read() {
    let place = Place::unified();
    let mut server = Running::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
    let address = server.line("serving on ");
    let rows = "SELECT x, repeat('r', 1000) AS r FROM generate_series(1, 300000) AS t(x)";
    // All of it goes through the plan, and nothing of it to the client.
    let through = format!("SELECT sum(length(r)) FROM ({rows}) AS rows");
    let mut other = Client::connect(&address);
    assert_eq!(other.ask(&through), RESULT.to_string());
    let before = server.peak_memory();
    for simple in [true, false] {
        let mut client = Client::connect(&address);
        match simple {
            true => client.begin_simple(rows),
            false => client.begin_extended(rows),
        }
        // The answer has begun, and waits for its reader for as long as the whole of it takes to be made.
        let first = client.row();
        assert_eq!(other.ask(&through), RESULT.to_string());
        let grown = |server: &Running| server.peak_memory() - before;
        assert!(grown(&server) < GROWTH, "unread: {} bytes", grown(&server));
        let rest = client.rows();
        assert!(first + rest > RESULT, "{} bytes came", first + rest);
        assert!(grown(&server) < GROWTH, "read: {} bytes", grown(&server));
    }
}
