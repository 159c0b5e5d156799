//! Results over the wire, beside PostgreSQL with the same rows in a table, and the server's memory under a slow reader.
//!
//! `cargo xtask bench wire`: a million rows of ten columns as text, binary and `COPY`, then ten million rows in the same ways
//! to a client that reads 4 MB and pauses; there the statement is one for both, over the same orders. PostgreSQL is reached
//! over a Unix socket, we over TCP: that is in its favour.

use std::time::{Duration, Instant};

use bench_support::{Meter, Result, Samples, Served, Table, arguments, postgres, say};
use futures::{SinkExt, StreamExt, TryStreamExt};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

const ROWS: u64 = 1_000_000;
const RUNS: usize = 5;
const SLOW_ROWS: u64 = 10_000_000;
/// What the slow reader takes at once, and how long it then waits.
const GULP: usize = 4 << 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Ten mixed columns of the unified orders and events.
const COLUMNS: &str =
    "customer_id, order_id, time, amount, currency, status, paid, refunded, channel, updated_at";
const TYPES: &str = "(customer_id text, order_id text, time timestamptz, amount numeric(18,4), \
     currency text, status text, paid boolean, refunded numeric(18,4), channel text, updated_at timestamptz)";

#[derive(Clone, Copy)]
enum Way {
    Text,
    Binary,
    CopyText,
    CopyBinary,
}

const WAYS: [(&str, Way); 4] = [
    ("simple query, text", Way::Text),
    ("extended query, binary", Way::Binary),
    ("COPY text", Way::CopyText),
    ("COPY binary", Way::CopyBinary),
];

fn main() -> Result<()> {
    let customers: u64 = arguments().first().map_or(Ok(100_000), |size| size.parse())?;
    let (_, served) = Served::demo(customers)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let ours = connect(&served.connection_string()?).await?;
        let theirs = connect(&postgres()?).await?;
        let source = million(&ours).await?;
        load(&ours, &theirs, "million", &source).await?;
        load(&ours, &theirs, "orders", &format!("SELECT {COLUMNS} FROM orders")).await?;
        rates(&ours, served.meter(), &theirs, &source).await?;
        slow_reader(&served, &ours, &theirs).await
    })
}

async fn connect(address: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A query over unified orders that gives at least a million rows, whatever the demo's size.
async fn million(ours: &Client) -> Result<String> {
    let orders: i64 = ours
        .query_one("SELECT count(*) FROM orders", &[])
        .await?
        .try_get(0)?;
    let times = ROWS.div_ceil(orders.max(1) as u64);
    let copies: Vec<String> = (0..times).map(|copy| format!("({copy})")).collect();
    Ok(format!(
        "SELECT {COLUMNS} FROM orders CROSS JOIN (VALUES {}) AS copies (copy) LIMIT {ROWS}",
        copies.join(", ")
    ))
}

/// The same rows into PostgreSQL, over both sides' binary `COPY`.
async fn load(ours: &Client, theirs: &Client, table: &str, source: &str) -> Result<()> {
    theirs
        .batch_execute(&format!(
            "DROP TABLE IF EXISTS {table}; CREATE UNLOGGED TABLE {table} {TYPES}"
        ))
        .await?;
    let out = ours
        .copy_out(&format!("COPY ({source}) TO STDOUT (FORMAT binary)"))
        .await?;
    let into = theirs
        .copy_in(&format!("COPY {table} FROM STDIN (FORMAT binary)"))
        .await?;
    futures::pin_mut!(out, into);
    while let Some(chunk) = out.try_next().await? {
        into.send(chunk).await?;
    }
    let rows = into.finish().await?;
    theirs.batch_execute(&format!("VACUUM ANALYZE {table}")).await?;
    say(format_args!("{rows} rows in {table} of PostgreSQL"));
    Ok(())
}

async fn rates(ours: &Client, product: Meter, theirs: &Client, source: &str) -> Result<()> {
    let backend: i32 = theirs
        .query_one("SELECT pg_backend_pid()", &[])
        .await?
        .try_get(0)?;
    let peer = Meter::new(u32::try_from(backend)?);
    let plain = format!("SELECT {COLUMNS} FROM million");
    let mut table = Table::new(&[
        "1 M rows × 10 columns",
        "ours k rows/s",
        "PostgreSQL k rows/s",
        "rate ratio",
        "ours server cpu s",
        "PostgreSQL server cpu s",
        "rows per cpu ratio",
    ]);
    for (name, way) in WAYS {
        let (mut ours_wall, mut ours_cpu) = (Samples::default(), Samples::default());
        let (mut their_wall, mut their_cpu) = (Samples::default(), Samples::default());
        for round in 0..=RUNS {
            let (wall, cpu) = measured(ours, product, source, way).await?;
            let (peer_wall, peer_cpu) = measured(theirs, peer, &plain, way).await?;
            if round > 0 {
                ours_wall.add(wall);
                ours_cpu.add(cpu);
                their_wall.add(peer_wall);
                their_cpu.add(peer_cpu);
            }
        }
        let rate = |wall: &Samples| ROWS as f64 / wall.median() / 1e3;
        table.row([
            name.to_owned(),
            format!("{:.0}", rate(&ours_wall)),
            format!("{:.0}", rate(&their_wall)),
            format!("{:.2}", rate(&ours_wall) / rate(&their_wall)),
            ours_cpu.show(),
            their_cpu.show(),
            format!("{:.2}", their_cpu.median() / ours_cpu.median()),
        ]);
    }
    table.print();
    Ok(())
}

/// Wall and server seconds of reading a query's rows to the end.
async fn measured(client: &Client, server: Meter, query: &str, way: Way) -> Result<(f64, f64)> {
    let (cpu, start) = (server.cpu_seconds()?, Instant::now());
    let rows = match way {
        Way::Text => {
            let stream = client.simple_query_raw(query).await?;
            futures::pin_mut!(stream);
            let mut rows = 0;
            while let Some(message) = stream.try_next().await? {
                rows += u64::from(matches!(message, SimpleQueryMessage::Row(_)));
            }
            rows
        }
        Way::Binary => {
            let stream = client.query_raw(query, Vec::<i32>::new()).await?;
            futures::pin_mut!(stream);
            let mut rows = 0;
            while stream.try_next().await?.is_some() {
                rows += 1;
            }
            rows
        }
        Way::CopyText | Way::CopyBinary => {
            let format = if matches!(way, Way::CopyText) {
                "text"
            } else {
                "binary"
            };
            let copy = format!("COPY ({query}) TO STDOUT (FORMAT {format})");
            let stream = client.copy_out(&copy).await?;
            futures::pin_mut!(stream);
            while stream.try_next().await?.is_some() {}
            ROWS
        }
    };
    if rows != ROWS {
        return Err(format!("{rows} rows instead of {ROWS}").into());
    }
    Ok((start.elapsed().as_secs_f64(), server.cpu_seconds()? - cpu))
}

/// Resident memory of the server while ten million rows go to a client that takes its time.
async fn slow_reader(served: &Served, ours: &Client, theirs: &Client) -> Result<()> {
    let backend: i32 = theirs
        .query_one("SELECT pg_backend_pid()", &[])
        .await?
        .try_get(0)?;
    let orders: i64 = ours
        .query_one("SELECT count(*) FROM orders", &[])
        .await?
        .try_get(0)?;
    let orders = orders.max(1) as u64;
    let copies = SLOW_ROWS.div_ceil(orders);
    // Without LIMIT both send the same rows.
    let query =
        format!("SELECT {COLUMNS} FROM orders CROSS JOIN generate_series(1, {copies}) AS copies (copy)");
    let mut table = Table::new(&[
        "10 M rows to a slow reader",
        "k rows",
        "MB of values read",
        "s",
        "resident before MB",
        "highest MB",
        "growth MB",
    ]);
    let peer = Meter::new(u32::try_from(backend)?);
    for (way_name, way) in [WAYS[0], WAYS[1], WAYS[2]] {
        for (name, client, meter) in [
            ("perennial", ours, served.meter()),
            ("PostgreSQL (backend)", theirs, peer),
        ] {
            let mut reader = SlowReader::new(meter)?;
            reader.read(client, &query, way).await?;
            if let Some(rows) = reader.rows.filter(|rows| *rows != orders * copies) {
                return Err(format!("{rows} rows instead of {}", orders * copies).into());
            }
            table.row([
                format!("{way_name}, {name}"),
                reader
                    .rows
                    .map_or_else(String::new, |rows| format!("{}", rows / 1_000)),
                format!("{:.0}", reader.read as f64 / 1e6),
                format!("{:.1}", reader.start.elapsed().as_secs_f64()),
                format!("{:.0}", reader.before),
                format!("{:.0}", reader.highest),
                format!("{:.0}", reader.highest - reader.before),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// A client that reads [`GULP`] bytes and waits, and looks at the server's memory meanwhile.
struct SlowReader {
    meter: Meter,
    start: Instant,
    before: f64,
    highest: f64,
    read: usize,
    gulped: usize,
    /// None where the way does not tell.
    rows: Option<u64>,
}

impl SlowReader {
    fn new(meter: Meter) -> Result<Self> {
        let before = meter.resident_mb()?;
        Ok(Self {
            meter,
            start: Instant::now(),
            before,
            highest: before,
            read: 0,
            gulped: 0,
            rows: None,
        })
    }

    async fn read(&mut self, client: &Client, query: &str, way: Way) -> Result<()> {
        match way {
            Way::Text => {
                let stream = client.simple_query_raw(query).await?;
                futures::pin_mut!(stream);
                while let Some(message) = stream.try_next().await? {
                    if let SimpleQueryMessage::Row(row) = message {
                        let bytes = (0..row.len()).filter_map(|column| row.get(column)).map(str::len);
                        self.row(bytes.sum()).await?;
                    }
                }
            }
            Way::Binary => {
                let stream = client.query_raw(query, Vec::<i32>::new()).await?;
                futures::pin_mut!(stream);
                while let Some(row) = stream.try_next().await? {
                    self.row(row.raw_size_bytes()).await?;
                }
            }
            Way::CopyText | Way::CopyBinary => {
                let stream = client.copy_out(&format!("COPY ({query}) TO STDOUT")).await?;
                futures::pin_mut!(stream);
                while let Some(chunk) = stream.next().await {
                    self.taken(chunk?.len()).await?;
                }
            }
        }
        Ok(())
    }

    async fn row(&mut self, bytes: usize) -> Result<()> {
        self.rows = Some(self.rows.unwrap_or(0) + 1);
        self.taken(bytes).await
    }

    async fn taken(&mut self, bytes: usize) -> Result<()> {
        self.read += bytes;
        self.gulped += bytes;
        if self.gulped >= GULP {
            self.gulped = 0;
            self.highest = self.highest.max(self.meter.resident_mb()?);
            // Slowness is what is measured here: nothing is waited for.
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
