//! One customer at a time, over the wire, beside PostgreSQL with the same rows and an index for each question.
//!
//! `cargo xtask bench lookup -- 100000`: `SELECT 1`, the `customer_360` row of a customer, the timeline of its events and the customer of an
//! e-mail address, by prepared statements over one connection and over sixteen at once. The answers are compared first.
//! PostgreSQL is reached over a Unix socket, we over TCP: that is in its favour.

use std::time::Instant;

use bench_support::{Meter, Result, Served, Table, arguments, canonical, postgres, say};
use futures::future::try_join_all;
use futures::{SinkExt, TryStreamExt};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Customers that are asked for.
const KEYS: usize = 2_000;
/// Of so many of them the answers are compared.
const COMPARED: usize = 200;
const CONNECTIONS: [usize; 2] = [1, 16];

/// A table of PostgreSQL, and its indexes.
const TABLES: [(&str, &[&str]); 3] = [
    ("customer_360", &["(customer_id)"]),
    ("events", &["(customer_id, time)"]),
    ("identities", &["(value)"]),
];

/// Name, statement, and whether it asks for the address and not the id.
const QUESTIONS: [(&str, &str, bool); 4] = [
    ("SELECT 1", "SELECT 1", false),
    (
        "customer_360 row",
        "SELECT * FROM customer_360 WHERE customer_id = $1",
        false,
    ),
    (
        "timeline of events",
        "SELECT time, name, channel, campaign, source FROM events WHERE customer_id = $1 ORDER BY time",
        false,
    ),
    (
        "customer of an e-mail address",
        "SELECT c.customer_id, c.lifecycle_stage, c.orders, c.net_revenue, i.last_seen_at \
         FROM identities i JOIN customer_360 c ON c.customer_id = i.customer_id WHERE i.type = 'email' AND i.value = $1",
        true,
    ),
];

/// A customer and one of its addresses.
type Key = (String, String);

/// A server, with as many connections as are used at once.
struct Side {
    clients: Vec<Client>,
    meters: Vec<Meter>,
}

fn main() -> Result<()> {
    let customers: u64 = arguments().first().map_or(Ok(100_000), |size| size.parse())?;
    let (_, served) = Served::demo(customers)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let address = served.connection_string()?;
        let most = CONNECTIONS.into_iter().max().unwrap_or(1);
        let ours = Side {
            clients: connections(&address, most).await?,
            meters: vec![served.meter()],
        };
        let clients = connections(&postgres()?, most).await?;
        let mut meters = Vec::new();
        for client in &clients {
            let pid: i32 = client
                .query_one("SELECT pg_backend_pid()", &[])
                .await?
                .try_get(0)?;
            meters.push(Meter::new(u32::try_from(pid)?));
        }
        let theirs = Side { clients, meters };
        for (table, indexes) in TABLES {
            load(&ours, &theirs, table, indexes).await?;
        }
        let keys = keys(&ours).await?;
        compare(&ours, &theirs, &keys).await?;
        measure(&ours, &theirs, &keys).await
    })
}

async fn connections(address: &str, count: usize) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
        tokio::spawn(connection);
        clients.push(client);
    }
    Ok(clients)
}

impl Side {
    fn first(&self) -> Result<&Client> {
        Ok(self.clients.first().ok_or("no connection")?)
    }

    fn cpu_seconds(&self) -> Result<f64> {
        self.meters.iter().map(Meter::cpu_seconds).sum()
    }

    async fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let messages = self.first()?.simple_query(sql).await?;
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
            }
            _ => None,
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }

    /// Asks for every key once over so many connections: seconds of each request in ascending order, processor seconds of
    /// one, and rows in all.
    async fn ask(&self, sql: &str, by_address: bool, keys: &[Key], connections: usize) -> Result<Asked> {
        let before = self.cpu_seconds()?;
        let share = keys.len().div_ceil(connections);
        let asking = self
            .clients
            .iter()
            .zip(keys.chunks(share))
            .map(|(client, keys)| async move {
                let statement = client.prepare(sql).await?;
                let (mut seconds, mut rows) = (Vec::with_capacity(keys.len()), 0);
                for (customer, address) in keys {
                    let key = if by_address { address } else { customer };
                    let start = Instant::now();
                    let all: [&(dyn ToSql + Sync); 1] = [key];
                    let given = all.get(..statement.params().len()).unwrap_or(&all);
                    rows += client.query(&statement, given).await?.len();
                    seconds.push(start.elapsed().as_secs_f64());
                }
                Ok::<_, tokio_postgres::Error>((seconds, rows))
            });
        let shares = try_join_all(asking).await?;
        let rows = shares.iter().map(|(_, rows)| rows).sum();
        let mut seconds: Vec<f64> = shares.into_iter().flat_map(|(seconds, _)| seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let cpu = (self.cpu_seconds()? - before) / seconds.len() as f64;
        Ok(Asked { seconds, cpu, rows })
    }
}

struct Asked {
    seconds: Vec<f64>,
    cpu: f64,
    rows: usize,
}

impl Asked {
    /// Milliseconds that this share of the requests took at most.
    fn ms(&self, share: f64) -> f64 {
        let at = (self.seconds.len() as f64 * share) as usize;
        let found = self.seconds.get(at.min(self.seconds.len().saturating_sub(1)));
        found.copied().unwrap_or(f64::NAN) * 1e3
    }
}

/// The same rows into PostgreSQL, with its indexes.
async fn load(ours: &Side, theirs: &Side, table: &str, indexes: &[&str]) -> Result<()> {
    let columns = ours
        .rows(&format!(
            "SELECT quote_ident(attname) || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute \
             WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        ))
        .await?;
    let columns: Vec<String> = columns.into_iter().flatten().flatten().collect();
    let peer = theirs.first()?;
    let create = format!(
        "DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({})",
        columns.join(", ")
    );
    peer.batch_execute(&create).await?;
    let out = ours.first()?.copy_out(&format!("COPY {table} TO STDOUT")).await?;
    let into = peer.copy_in(&format!("COPY {table} FROM STDIN")).await?;
    futures::pin_mut!(out, into);
    while let Some(chunk) = out.try_next().await? {
        into.send(chunk).await?;
    }
    let rows = into.finish().await?;
    for index in indexes {
        peer.batch_execute(&format!("CREATE INDEX ON {table} {index}"))
            .await?;
    }
    peer.batch_execute(&format!("VACUUM ANALYZE {table}")).await?;
    say(format_args!("{rows} rows of {table} in PostgreSQL"));
    Ok(())
}

/// Customers with an address, from all over the ids.
async fn keys(ours: &Side) -> Result<Vec<Key>> {
    let sql = "SELECT customer_id, min(value) FROM identities WHERE type = 'email' GROUP BY customer_id ORDER BY customer_id";
    let all: Vec<Key> = ours
        .rows(sql)
        .await?
        .into_iter()
        .filter_map(|row| {
            let [customer, address] = <[Option<String>; 2]>::try_from(row).ok()?;
            Some((customer?, address?))
        })
        .collect();
    // Steps of the golden section: spread evenly, and never to a neighbour.
    let step = all.len() * 618 / 1_000 + 1;
    Ok((0..KEYS.min(all.len()))
        .filter_map(|number| all.get(number * step % all.len()).cloned())
        .collect())
}

async fn compare(ours: &Side, theirs: &Side, keys: &[Key]) -> Result<()> {
    let mut rows = 0;
    for (name, sql, by_address) in QUESTIONS {
        for (customer, address) in keys.iter().take(COMPARED) {
            let key = if by_address { address } else { customer };
            let sql = sql.replace("$1", &format!("'{}'", key.replace('\'', "''")));
            let (mine, other) = (ours.rows(&sql).await?, theirs.rows(&sql).await?);
            if canonical(&mine) != canonical(&other) || mine.is_empty() && name != "timeline of events" {
                return Err(format!("{name} of {key}: {mine:?} and {other:?}").into());
            }
            rows += mine.len();
        }
    }
    say(format_args!(
        "{COMPARED} answers to each question are the same, {rows} rows"
    ));
    Ok(())
}

async fn measure(ours: &Side, theirs: &Side, keys: &[Key]) -> Result<()> {
    let mut table = Table::new(&[
        "question",
        "connections",
        "ours p50 ms",
        "p99 ms",
        "PostgreSQL p50 ms",
        "p99 ms",
        "p50 ratio",
        "p99 ratio",
        "ours cpu ms",
        "PostgreSQL cpu ms",
        "cpu ratio",
    ]);
    for (name, sql, by_address) in QUESTIONS {
        for connections in CONNECTIONS {
            // Once to warm both.
            ours.ask(sql, by_address, keys, connections).await?;
            theirs.ask(sql, by_address, keys, connections).await?;
            let mine = ours.ask(sql, by_address, keys, connections).await?;
            let other = theirs.ask(sql, by_address, keys, connections).await?;
            if mine.rows != other.rows {
                return Err(format!("{name}: {} rows and {}", mine.rows, other.rows).into());
            }
            table.row([
                name.to_owned(),
                connections.to_string(),
                format!("{:.2}", mine.ms(0.5)),
                format!("{:.2}", mine.ms(0.99)),
                format!("{:.2}", other.ms(0.5)),
                format!("{:.2}", other.ms(0.99)),
                format!("{:.1}", mine.ms(0.5) / other.ms(0.5)),
                format!("{:.1}", mine.ms(0.99) / other.ms(0.99)),
                format!("{:.2}", mine.cpu * 1e3),
                format!("{:.3}", other.cpu * 1e3),
                format!("{:.1}", mine.cpu / other.cpu),
            ]);
        }
    }
    table.print();
    Ok(())
}
