//! The binary as a process, a folder for it to work in, and the least client of its server.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

/// The binary that cargo has built for these tests.
const PERENNIAL: &str = env!("CARGO_BIN_EXE_perennial");
/// Longest wait for something that is sure to come.
const PATIENCE: Duration = Duration::from_secs(120);
/// When everything landed, 2020-09-13: long enough ago that no run waits for files to come to rest.
const LANDED: Duration = Duration::from_secs(1_600_000_000);

/// A lake of orders.
pub(crate) const CONFIG: &str = r#"[lake]
url = "./lake"
refresh = "off"
[money]
currency = "EUR"
[time]
as_of = "2026-04-01T00:00:00Z"
[[source]]
name = "shop"
kind = "order"
path = "orders/"
record_key = "id"
time = "at"
identifiers = { email = "email" }
columns = { amount = "amount", status = "state", currency = "currency" }
[server]
authentication = "trust"
"#;

/// Orders of two people.
pub(crate) const ANN: &str = "('1', 'ann@example.org', 10.0, 'EUR', '2026-01-01T00:00:00Z')";
pub(crate) const BOB: &str = "('2', 'bob@example.org', 20.5, 'EUR', '2026-01-02T00:00:00Z')";
/// What is known of them.
pub(crate) const CUSTOMERS: &str = "SELECT email, orders, net_revenue FROM customer_360 ORDER BY email";
pub(crate) const BOTH: [&str; 2] = ["ann@example.org,1,10.0000", "bob@example.org,1,20.5000"];

/// A statement that gives orders: key, address, amount, currency, time.
pub(crate) fn orders(rows: &[&str]) -> String {
    format!(
        "SELECT id, email, amount::float8 AS amount, 'paid' AS state, currency, at::timestamptz AS at \
         FROM (VALUES {}) AS t (id, email, amount, currency, at)",
        rows.join(", ")
    )
}

/// A folder with a `perennial.toml` and the folder `lake`; everything in it goes with it.
#[derive(Debug)]
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("perennial-binary-").tempdir();
        let place = Self(folder.unwrap());
        place.write("perennial.toml", CONFIG);
        place.write("nothing.toml", "[lake]\nurl = \"./nothing\"\n");
        for folder in ["lake/orders", "nothing", "tmp"] {
            fs::create_dir_all(place.path(folder)).unwrap();
        }
        place
    }

    /// With the orders of two people, unified.
    pub(crate) fn unified() -> Self {
        let place = Self::new();
        let bytes = place.parquet(&orders(&[ANN, BOB]));
        place.land("orders/a.parquet", &bytes);
        place.run(&["unify"]).exits(0);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// A file that landed long ago.
    pub(crate) fn land(&self, path: &str, bytes: &[u8]) {
        let path = self.path("lake").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = File::create(path).unwrap();
        file.write_all(bytes).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + LANDED).unwrap();
    }

    /// The answer to a statement as a Parquet file.
    pub(crate) fn parquet(&self, sql: &str) -> Vec<u8> {
        let export = ["query", "--config", "nothing.toml", "--format", "parquet", sql];
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(&export).output().unwrap();
        assert!(status.success(), "{sql}\n{}", String::from_utf8_lossy(&stderr));
        stdout
    }

    /// A command of the binary, in this folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PERENNIAL);
        command.args(arguments);
        self.prepared(command)
    }

    /// A script in this folder, to which the binary is `$0`.
    pub(crate) fn script(&self, text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text, PERENNIAL]);
        self.prepared(command)
    }

    /// A command of the binary for which rights of files and folders mean something: root reads and writes everything,
    /// unless it gives up that power.
    pub(crate) fn without_power(&self, arguments: &[&str]) -> Command {
        if fs::metadata(self.0.path()).unwrap().uid() != 0 {
            return self.command(arguments);
        }
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set=-dac_override,-dac_read_search", PERENNIAL])
            .args(arguments);
        self.prepared(command)
    }

    /// What the developer's own settings say does not count.
    fn prepared(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["PERENNIAL_", "AWS_", "AZURE_", "GOOGLE_"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        command
            .current_dir(self.0.path())
            .env("TMPDIR", self.path("tmp"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Told {
        Told::by(self.command(arguments))
    }

    /// What a query answers: a line of comma-separated values for each row.
    #[track_caller]
    pub(crate) fn answers(&self, sql: &str) -> Vec<String> {
        let told = self.run(&["query", "--format", "csv", sql]).exits(0);
        told.stdout.lines().skip(1).map(str::to_owned).collect()
    }

    /// All files that the platform has written into the lake.
    pub(crate) fn written(&self) -> Vec<PathBuf> {
        let mut files = files(&self.path("lake/_perennial"));
        files.sort();
        files
    }
}

/// All files below a folder; none where it is not there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Told {
    /// Runs a command to its end.
    pub(crate) fn by(mut command: Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        Self {
            status,
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}\n{}\n{}",
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard error has all these parts.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "it lacks {part:?}:\n{}", self.stderr);
        }
        self
    }
}

/// A process under way, followed by the lines that it prints. It does not outlive its test.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        let (sender, lines) = channel();
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        Self {
            child,
            lines,
            heard: Vec::new(),
        }
    }

    /// Waits for a line that begins so, and gives the rest of it.
    #[track_caller]
    pub(crate) fn line(&mut self, start: &str) -> String {
        self.until(start, |line| line.strip_prefix(start).map(str::to_owned))
    }

    /// Waits for a line that has this in it, and gives it.
    #[track_caller]
    pub(crate) fn hears(&mut self, part: &str) -> String {
        self.until(part, |line| line.contains(part).then(|| line.to_owned()))
    }

    #[track_caller]
    fn until(&mut self, wanted: &str, found: impl Fn(&str) -> Option<String>) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let found = found(&line);
                    self.heard.push(line);
                    if let Some(found) = found {
                        return found;
                    }
                }
                Err(error) => panic!("no line {wanted:?}: {error}\n{}", self.heard.join("\n")),
            }
        }
    }

    /// Sends a signal, such as `INT`.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &process])
            .status();
        assert!(sent.unwrap().success(), "{name}");
    }

    /// The most memory that the process has had so far, in bytes.
    #[track_caller]
    pub(crate) fn peak_memory(&self) -> u64 {
        self.bytes("VmHWM:")
    }

    /// Lets the process have so many bytes of addresses more than it has.
    #[track_caller]
    pub(crate) fn may_grow_by(&self, bytes: u64) {
        let limit = format!("--as={}", self.bytes("VmSize:") + bytes);
        let process = self.child.id().to_string();
        let limited = Command::new("prlimit").args(["--pid", &process, &limit]).status();
        assert!(limited.unwrap().success());
    }

    /// A line of what the system says of the process.
    #[track_caller]
    fn bytes(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let found = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        found.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Told {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no end:\n{}", self.heard.join("\n")),
            }
        }
        Told {
            status: self.child.wait().unwrap(),
            stdout: String::new(),
            stderr: self.heard.join("\n"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self(stream);
        let mut startup = 196_608_u32.to_be_bytes().to_vec();
        startup.extend(b"user\0admin\0database\0perennial\0\0");
        client.send(&startup);
        client.ready();
        client
    }

    /// The last value that a statement answers.
    pub(crate) fn ask(&mut self, sql: &str) -> String {
        self.begin_simple(sql);
        self.ready()
    }

    /// Asks until the answer is this one.
    pub(crate) fn ask_until(&mut self, sql: &str, wanted: &str) {
        let began = Instant::now();
        loop {
            let found = self.ask(sql);
            if found == wanted {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{sql} gives {found}");
        }
    }

    /// Sends a statement in the simple protocol.
    pub(crate) fn begin_simple(&mut self, sql: &str) {
        self.0.write_all(b"Q").unwrap();
        self.send(format!("{sql}\0").as_bytes());
    }

    /// Sends a statement in the extended protocol, without a name and with all rows asked for.
    pub(crate) fn begin_extended(&mut self, sql: &str) {
        let messages = [
            (b'P', [b"\0", sql.as_bytes(), b"\0\0\0"].concat()),
            // Neither formats nor parameters, and all results as text.
            (b'B', vec![0; 8]),
            (b'E', vec![0; 5]),
            (b'S', Vec::new()),
        ];
        for (kind, body) in messages {
            self.0.write_all(&[kind]).unwrap();
            self.send(&body);
        }
    }

    /// Waits for a row, and gives its size in bytes.
    pub(crate) fn row(&mut self) -> u64 {
        loop {
            match self.message() {
                (b'D', row) => return row.len() as u64,
                (b'E', fields) => panic!("{}", String::from_utf8_lossy(&fields)),
                _ => {}
            }
        }
    }

    /// Reads all rows that are left, and gives their size in bytes together.
    pub(crate) fn rows(&mut self) -> u64 {
        let mut bytes = 0;
        loop {
            match self.message() {
                (b'Z', _) => return bytes,
                (b'D', row) => bytes += row.len() as u64,
                (b'E', fields) => panic!("{}", String::from_utf8_lossy(&fields)),
                _ => {}
            }
        }
    }

    /// The SQLSTATE with which the server ends the connection.
    pub(crate) fn farewell(&mut self) -> String {
        let (kind, body) = self.message();
        assert_eq!(kind, b'E');
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{rest:?}");
        let fields = String::from_utf8_lossy(&body).into_owned();
        let code = fields.split('\0').find_map(|field| field.strip_prefix('C'));
        code.unwrap().to_owned()
    }

    fn send(&mut self, body: &[u8]) {
        let length = u32::try_from(body.len() + 4).unwrap();
        self.0.write_all(&length.to_be_bytes()).unwrap();
        self.0.write_all(body).unwrap();
    }

    fn message(&mut self) -> (u8, Vec<u8>) {
        let mut kind = [0];
        let mut length = [0; 4];
        self.0.read_exact(&mut kind).unwrap();
        self.0.read_exact(&mut length).unwrap();
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        self.0.read_exact(&mut body).unwrap();
        (kind[0], body)
    }

    /// Reads until the server waits for the next statement; gives the first value of the last row.
    fn ready(&mut self) -> String {
        let mut value = String::new();
        loop {
            match self.message() {
                (b'Z', _) => return value,
                // The number of columns, the length of the first, and it.
                (b'D', row) => value = String::from_utf8_lossy(&row[6..]).into_owned(),
                (b'E', fields) => panic!("{}", String::from_utf8_lossy(&fields)),
                _ => {}
            }
        }
    }
}
