//! What goes wrong between a client and an object store, on the wire: a proxy for HTTP that answers for the store, breaks
//! bodies off and loses answers. What the library makes of an answer, its second tries included, is tested with it;
//! what we make of the library's errors with [`Faults`](crate::Faults).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::gcs::decoded;
use crate::must;

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// The store does not see it, and its answer is this status.
    Answer(u16),
    /// It has its effect, and its answer is this status.
    Instead(u16),
    /// It has its effect, and the connection ends without an answer.
    Lost,
    /// The connection ends in the middle of the body of the answer.
    Cut,
}

/// A proxy in front of one store; it serves until the process ends.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: String,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    /// Of requests of a method, whose target, decoded, has a text in it, the first goes wrong, and then one in every so many.
    faults: Vec<(&'static str, &'static str, usize, Wire)>,
    counts: Vec<usize>,
    /// How often the store itself has answered with each status.
    answered: BTreeMap<u16, usize>,
}

impl Proxy {
    /// A proxy in front of the store at `http://host:port/…`.
    #[expect(clippy::panic, reason = "a test that cannot be set up has failed")]
    pub fn new(store: &str) -> Self {
        let Some(rest) = store.strip_prefix("http://") else {
            panic!("\"{store}\" is no http:// address of a store");
        };
        let upstream = rest.split('/').next().unwrap_or(rest).to_owned();
        let listener = must("the proxy cannot listen", TcpListener::bind("127.0.0.1:0"));
        let address = must("the proxy has no address", listener.local_addr()).to_string();
        let plan = Arc::<Mutex<Plan>>::default();
        let proxy = Self {
            address: store.replacen(&upstream, &address, 1),
            plan: Arc::clone(&plan),
        };
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (plan, upstream) = (Arc::clone(&plan), upstream.clone());
                // That either side goes away is what such a proxy is for.
                std::thread::spawn(move || relay(connection, &upstream, &plan));
            }
        });
        proxy
    }

    /// The address by which clients reach the store through the proxy.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Of requests of a method whose target has `part` in it, the first goes wrong, and then one in every so many.
    pub fn every(&self, method: &'static str, part: &'static str, requests: usize, wire: Wire) {
        let mut plan = lock(&self.plan);
        plan.faults.push((method, part, requests.max(1), wire));
        plan.counts.push(0);
    }

    /// How often the store itself has answered with a status.
    pub fn answered(&self, status: u16) -> usize {
        lock(&self.plan).answered.get(&status).copied().unwrap_or(0)
    }

    /// How often a request went wrong.
    pub fn went_wrong(&self) -> usize {
        let plan = lock(&self.plan);
        let faults = plan.faults.iter().zip(&plan.counts);
        faults
            .map(|((_, _, every, _), count)| count.div_ceil(*every))
            .sum()
    }
}

impl Plan {
    fn next(&mut self, method: &str, target: &str) -> Option<Wire> {
        let mut found = None;
        for ((of, part, every, wire), count) in self.faults.iter().zip(&mut self.counts) {
            if *of == method && target.contains(part) {
                found = found.or(count.is_multiple_of(*every).then_some(*wire));
                *count += 1;
            }
        }
        found
    }
}

fn lock(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request or an answer: its first line and headers as they came, and its body.
struct Message {
    head: Vec<u8>,
    body: Vec<u8>,
    /// Whether the connection ends behind it.
    last: bool,
}

impl Message {
    /// The second word of the first line: the target of a request, the status of an answer.
    fn word(&self, number: usize) -> String {
        let head = String::from_utf8_lossy(&self.head);
        head.split_whitespace().nth(number).unwrap_or_default().to_owned()
    }
}

fn relay(client: TcpStream, upstream: &str, plan: &Mutex<Plan>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let store = TcpStream::connect(upstream)?;
    store.set_nodelay(true)?;
    let (mut requests, mut answers) = (
        BufReader::new(client.try_clone()?),
        BufReader::new(store.try_clone()?),
    );
    let (mut client, mut store) = (client, store);
    while let Some(request) = read(&mut requests, true)? {
        let method = request.word(0);
        let wrong = lock(plan).next(&method, &decoded(&request.word(1)));
        if let Some(Wire::Answer(status)) = wrong {
            client.write_all(refusal(status).as_bytes())?;
            continue;
        }
        store.write_all(&request.head)?;
        store.write_all(&request.body)?;
        let Some(answer) = read(&mut answers, method != "HEAD")? else {
            return Ok(());
        };
        let status = answer.word(1).parse().unwrap_or(0);
        *lock(plan).answered.entry(status).or_default() += 1;
        match wrong {
            Some(Wire::Lost) => return Ok(()),
            Some(Wire::Instead(status)) => client.write_all(refusal(status).as_bytes())?,
            Some(Wire::Cut) if !answer.body.is_empty() => {
                client.write_all(&answer.head)?;
                let half = answer.body.get(..answer.body.len() / 2).unwrap_or_default();
                return client.write_all(half);
            }
            _ => {
                client.write_all(&answer.head)?;
                client.write_all(&answer.body)?;
            }
        }
        if answer.last {
            return Ok(());
        }
    }
    Ok(())
}

fn refusal(status: u16) -> String {
    format!("HTTP/1.1 {status} Refused by the test\r\nContent-Length: 0\r\n\r\n")
}

/// The next message of a connection; none at its end. An answer to a request for the head alone has no body, whatever it
/// says of its length.
fn read(from: &mut BufReader<TcpStream>, with_body: bool) -> std::io::Result<Option<Message>> {
    let mut message = Message {
        head: Vec::new(),
        body: Vec::new(),
        last: false,
    };
    let (mut length, mut chunked) = (None, false);
    loop {
        let mut line = Vec::new();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        message.head.extend_from_slice(&line);
        let line = String::from_utf8_lossy(&line).trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        match line.split_once(':').map(|(name, value)| (name, value.trim())) {
            Some(("content-length", value)) => length = value.parse().ok(),
            Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
            Some(("connection", value)) => message.last = value.contains("close"),
            _ => {}
        }
    }
    if !with_body {
        return Ok(Some(message));
    }
    if chunked {
        chunks(from, &mut message.body)?;
    } else {
        message.body = vec![0; length.unwrap_or(0)];
        from.read_exact(&mut message.body)?;
    }
    Ok(Some(message))
}

/// A body in chunks, as it came.
fn chunks(from: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line)?;
        body.extend_from_slice(&line);
        let text = String::from_utf8_lossy(&line);
        let size = text.trim().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let mut chunk = vec![0; size + 2];
        from.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk);
        if size == 0 {
            return Ok(());
        }
    }
}
