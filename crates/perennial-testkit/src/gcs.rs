//! As much of Google's store as `object_store` speaks: no server of it that works with that library is to be had. Keys,
//! conditions, ranges, listings and uploads in parts, in memory. Listings have times to the millisecond, all else to the
//! second, as the real one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use perennial_base::clock::{Clock, SystemClock, rfc3339};

use crate::must;

#[derive(Debug, Clone)]
struct Object {
    bytes: Vec<u8>,
    generation: u64,
    /// Microseconds.
    written: i64,
}

impl Object {
    fn tag(&self) -> String {
        format!("\"{:x}-{}\"", self.generation, self.bytes.len())
    }
}

#[derive(Debug, Default)]
struct Bucket {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, BTreeMap<usize, Vec<u8>>>,
    generation: u64,
}

/// Serves the store at `address` until the process ends.
pub fn serve(address: &str) {
    let listener = must(
        "the stub of Google's store cannot listen",
        TcpListener::bind(address),
    );
    let bucket = Arc::<Mutex<Bucket>>::default();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let bucket = Arc::clone(&bucket);
            // A client that goes away is no failure of the store.
            std::thread::spawn(move || answer_all(connection, &bucket));
        }
    });
}

struct Request {
    method: String,
    /// Without the bucket; decoded.
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// The length told where the body is left out.
    length: Option<usize>,
}

impl Answer {
    fn new(status: &'static str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            length: None,
        }
    }

    fn of(mut self, object: &Object) -> Self {
        let written = http_date(object.written);
        self.headers.extend([
            ("ETag", object.tag()),
            ("x-goog-generation", object.generation.to_string()),
            ("Last-Modified", written),
        ]);
        self
    }

    fn text(mut self, body: String) -> Self {
        self.body = body.into_bytes();
        self
    }
}

fn answer_all(connection: TcpStream, bucket: &Mutex<Bucket>) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection;
    while let Some(request) = read(&mut reader)? {
        let answer = bucket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .answer(&request);
        let mut head = format!("HTTP/1.1 {}\r\n", answer.status);
        for (name, value) in &answer.headers {
            let _infallible = write!(head, "{name}: {value}\r\n");
        }
        let length = answer.length.unwrap_or(answer.body.len());
        let _infallible = write!(head, "Content-Length: {length}\r\n\r\n");
        writer.write_all(head.as_bytes())?;
        if request.method != "HEAD" {
            writer.write_all(&answer.body)?;
        }
    }
    Ok(())
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = path
        .trim_start_matches('/')
        .split_once('/')
        .map_or("", |(_, key)| key);
    let key = decoded(key);
    let query = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(&value.replace('+', " "))))
        .collect();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some(Request {
        method,
        key,
        query,
        headers,
        body,
    }))
}

impl Bucket {
    fn answer(&mut self, request: &Request) -> Answer {
        let query = |name: &str| request.query.get(name);
        match request.method.as_str() {
            "GET" if request.key.is_empty() => self.list(query("prefix"), query("start-after")),
            "GET" | "HEAD" => self.get(request),
            "PUT" => match (query("partNumber"), query("uploadId")) {
                (Some(part), Some(upload)) => self.part(part, upload, request),
                _ => self.put(request),
            },
            "POST" => match query("uploadId") {
                Some(upload) => self.complete(upload, request),
                None => self.begin(),
            },
            "DELETE" => {
                if let Some(upload) = query("uploadId") {
                    self.uploads.remove(upload);
                    return Answer::new("204 No Content");
                }
                match self.objects.remove(&request.key) {
                    Some(_) => Answer::new("204 No Content"),
                    None => Answer::new("404 Not Found"),
                }
            }
            _ => Answer::new("405 Method Not Allowed"),
        }
    }

    fn store(&mut self, key: &str, bytes: Vec<u8>) -> Object {
        self.generation += 1;
        let object = Object {
            bytes,
            generation: self.generation,
            written: SystemClock.now(),
        };
        self.objects.insert(key.to_owned(), object.clone());
        object
    }

    fn put(&mut self, request: &Request) -> Answer {
        let current = self
            .objects
            .get(&request.key)
            .map_or(0, |object| object.generation);
        let wanted = request.headers.get("x-goog-if-generation-match");
        if wanted.is_some_and(|wanted| *wanted != current.to_string()) {
            return Answer::new("412 Precondition Failed");
        }
        let object = self.store(&request.key, request.body.clone());
        Answer::new("200 OK").of(&object)
    }

    fn get(&self, request: &Request) -> Answer {
        let Some(object) = self.objects.get(&request.key) else {
            return Answer::new("404 Not Found");
        };
        let wanted = request.headers.get("if-match");
        if wanted.is_some_and(|wanted| *wanted != object.tag()) {
            return Answer::new("412 Precondition Failed");
        }
        let size = object.bytes.len();
        let range = request
            .headers
            .get("range")
            .and_then(|range| range.strip_prefix("bytes="))
            .and_then(|range| range.split_once('-'));
        let range = match range {
            None => None,
            Some(("", last)) => Some((size.saturating_sub(last.parse().unwrap_or(0)), size)),
            Some((first, last)) => {
                let last = last.parse().map_or(size, |last: usize| (last + 1).min(size));
                Some((first.parse().unwrap_or(0), last))
            }
        };
        let mut answer = match range {
            Some((first, _)) if first >= size => return Answer::new("416 Range Not Satisfiable"),
            Some((first, last)) => {
                let mut answer = Answer::new("206 Partial Content").of(object);
                let told = format!("bytes {first}-{}/{size}", last.saturating_sub(1));
                answer.headers.push(("Content-Range", told));
                answer.body = object.bytes.get(first..last).unwrap_or_default().to_vec();
                answer
            }
            None => {
                let mut answer = Answer::new("200 OK").of(object);
                answer.body.clone_from(&object.bytes);
                answer
            }
        };
        answer.length = Some(answer.body.len());
        answer
    }

    fn list(&self, prefix: Option<&String>, after: Option<&String>) -> Answer {
        let mut body = "<ListBucketResult>".to_owned();
        for (key, object) in &self.objects {
            if prefix.is_some_and(|prefix| !key.starts_with(prefix.as_str()))
                || after.is_some_and(|after| key <= after)
            {
                continue;
            }
            let written = rfc3339(object.written / 1_000 * 1_000).unwrap_or_default();
            let _infallible = write!(
                body,
                "<Contents><Key>{}</Key><Size>{}</Size><LastModified>{written}</LastModified><ETag>{}</ETag></Contents>",
                escaped(key),
                object.bytes.len(),
                escaped(&object.tag()),
            );
        }
        body.push_str("</ListBucketResult>");
        Answer::new("200 OK").text(body)
    }

    fn begin(&mut self) -> Answer {
        self.generation += 1;
        let upload = format!("upload{}", self.generation);
        self.uploads.insert(upload.clone(), BTreeMap::new());
        Answer::new("200 OK").text(format!(
            "<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
        ))
    }

    fn part(&mut self, part: &str, upload: &str, request: &Request) -> Answer {
        let (Some(parts), Ok(number)) = (self.uploads.get_mut(upload), part.parse()) else {
            return Answer::new("404 Not Found");
        };
        parts.insert(number, request.body.clone());
        let mut answer = Answer::new("200 OK");
        answer.headers.push(("ETag", format!("\"{number}\"")));
        answer
    }

    fn complete(&mut self, upload: &str, request: &Request) -> Answer {
        let Some(parts) = self.uploads.remove(upload) else {
            return Answer::new("404 Not Found");
        };
        let object = self.store(&request.key, parts.into_values().flatten().collect());
        let tag = escaped(&object.tag());
        Answer::new("200 OK").of(&object).text(format!(
            "<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
        ))
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An instant as HTTP has it, to the second.
fn http_date(micros: i64) -> String {
    let text = rfc3339(micros).unwrap_or_default();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().unwrap_or(1).saturating_sub(1);
    let names = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let day = usize::try_from(micros.div_euclid(86_400_000_000).rem_euclid(7)).unwrap_or(0);
    format!(
        "{}, {} {} {} {} GMT",
        days.get(day).unwrap_or(&"Thu"),
        part(8..10),
        names.get(month).unwrap_or(&"Jan"),
        part(0..4),
        part(11..19)
    )
}
