//! One connection of HTTP/1.1: what is written is what stands here, so that tests can also write what no HTTP library would.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// The longest that an answer may take: longer than the longest call waits in a test.
const LIMIT: Duration = Duration::from_mins(2);

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// The first line and the headers of an answer.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether events follow, and not one document.
    pub fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status and headers.
    pub head: Head,
    /// The body as text.
    pub body: String,
}

impl Reply {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Left(usize),
    Chunks,
    UntilClosed,
    Done,
}

/// A connection, used for one request after the other.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    frame: Frame,
    host: String,
}

impl Connection {
    /// A connection to `address`, which it names as its host.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Self { stream: BufReader::new(stream), frame: Frame::Done, host: address.to_string() })
    }

    /// How long reading waits.
    pub fn limit(&self, limit: Duration) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(limit))
    }

    /// A second handle of the socket, with which another thread can close it.
    pub fn handle(&self) -> io::Result<TcpStream> {
        self.stream.get_ref().try_clone()
    }

    /// Writes these bytes and nothing else.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Writes a request. A header `Host` replaces the own one.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> io::Result<()> {
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text.push_str("Host: ");
            text.push_str(&self.host);
            text.push_str("\r\n");
        }
        for (name, value) in headers {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        }
        text.push_str("Content-Length: ");
        text.push_str(&body.len().to_string());
        text.push_str("\r\n\r\n");
        text.push_str(body);
        self.write(text.as_bytes())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    /// Reads the first line and the headers of the answer.
    pub fn head(&mut self) -> io::Result<Head> {
        loop {
            let first = self.line()?;
            let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
            let mut head =
                Head { status: status.ok_or_else(|| broken("no status line"))?, headers: Vec::new() };
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').ok_or_else(|| broken("no header"))?;
                head.headers.push((name.to_owned(), value.trim().to_owned()));
            }
            if head.status < 200 {
                continue;
            }
            let length = head.header("content-length").and_then(|length| length.parse().ok());
            let chunked = head.header("transfer-encoding").is_some_and(|coding| coding == "chunked");
            self.frame = match (chunked, length) {
                _ if matches!(head.status, 204 | 304) => Frame::Done,
                (true, _) => Frame::Chunks,
                (false, Some(length)) => Frame::Left(length),
                (false, None) => Frame::UntilClosed,
            };
            return Ok(head);
        }
    }

    /// The next part of the body, as it came; `None` at its end.
    pub fn part(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.frame {
            Frame::Done | Frame::Left(0) => {
                self.frame = Frame::Done;
                Ok(None)
            }
            Frame::Left(left) => {
                let mut bytes = vec![0; left];
                self.stream.read_exact(&mut bytes)?;
                self.frame = Frame::Done;
                Ok(Some(bytes))
            }
            Frame::Chunks => {
                let line = self.line()?;
                let size = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16);
                let mut bytes = vec![0; size.map_err(|_| broken("no size of a chunk"))?];
                self.stream.read_exact(&mut bytes)?;
                self.line()?;
                if bytes.is_empty() {
                    self.frame = Frame::Done;
                    return Ok(None);
                }
                Ok(Some(bytes))
            }
            Frame::UntilClosed => {
                let mut bytes = vec![0; 8192];
                let count = self.stream.read(&mut bytes)?;
                bytes.truncate(count);
                if count == 0 {
                    self.frame = Frame::Done;
                }
                Ok((count > 0).then_some(bytes))
            }
        }
    }

    /// The whole body.
    pub fn body(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        while let Some(part) = self.part()? {
            bytes.extend(part);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A request and its whole answer.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Reply> {
        self.send(method, path, headers, body)?;
        let head = self.head()?;
        Ok(Reply { head, body: self.body()? })
    }

    /// Whether the other side has closed it; waits for that at most `limit`.
    pub fn is_closed_within(&mut self, limit: Duration) -> bool {
        let mut bytes = [0; 1024];
        let started = std::time::Instant::now();
        while let Some(left) = limit.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) {
            let _ = self.limit(left);
            match self.stream.read(&mut bytes) {
                Ok(0) => return true,
                // An answer such as 408 may come before the end.
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return false;
                }
                Err(_) => return true,
            }
        }
        false
    }

    /// Ends it at once.
    pub fn close(self) {
        // One that is closed already is as it should be.
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
    }
}

/// The data of server-sent events, put together from the parts of a body.
#[derive(Debug, Default)]
pub struct Events(Vec<u8>);

impl Events {
    /// The events that `part` completes.
    pub fn add(&mut self, part: &[u8]) -> Vec<String> {
        self.0.extend_from_slice(part);
        let mut found = Vec::new();
        while let Some(end) = self.0.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.0.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&event).into_owned();
            let data: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|line| line.strip_prefix(' ').unwrap_or(line))
                .collect();
            let data = data.join("\n");
            if !data.is_empty() {
                found.push(data);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_from_parts() {
        let mut events = Events::default();
        assert!(events.add(b": a comment\n\nid: 1\ndata: {\"a\"").is_empty());
        assert_eq!(events.add(b":1}\n\ndata:x\ndata: y\n\nretry: 3\n\nda"), ["{\"a\":1}", "x\ny"]);
        assert_eq!(events.add(b"ta: z\n\n"), ["z"]);
    }
}
