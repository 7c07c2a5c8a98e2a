//! A client for one server over one connection: requests are bytes made beforehand, answers are read whole or a chunk
//! at a time. It knows as much of HTTP/1.1 as the server under test speaks, and refuses the rest.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The bytes of a request. `key` is sent as `Idempotency-Key`.
pub fn request(method: &str, path: &str, token: &str, key: Option<&str>, body: Option<&Value>) -> Bytes {
    let key = key.map(|key| format!("idempotency-key: {key}\r\n")).unwrap_or_default();
    let (headers, body) = match body {
        Some(body) => {
            let body = body.to_string();
            (format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()), body)
        }
        None => (String::new(), String::new()),
    };
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n");
    Bytes::from(format!("{head}{key}{headers}\r\n{body}"))
}

/// An answer that has come whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection that is used for one request after another.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

/// What is still to come of an answer's body.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Bytes(usize),
    Chunks,
    Nothing,
}

/// An answer whose body is still coming. It must be read to its end before the connection is used again.
#[derive(Debug)]
pub struct Reply<'c> {
    connection: &'c mut Connection,
    /// The status.
    pub status: u16,
    rest: Rest,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(1024) })
    }

    /// Sends a request and reads the whole answer.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let mut reply = self.begin(request).await?;
        let status = reply.status;
        let mut body = BytesMut::new();
        while let Some(chunk) = reply.chunk().await? {
            if body.is_empty() && matches!(reply.rest, Rest::Nothing) {
                return Ok(Answer { status, body: chunk });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body: body.freeze() })
    }

    /// Sends a request and reads the answer's head.
    pub async fn begin(&mut self, request: &[u8]) -> io::Result<Reply<'_>> {
        self.stream.write_all(request).await?;
        let (status, rest) = loop {
            if let Some(head) = self.head()? {
                break head;
            }
            self.more().await?;
        };
        Ok(Reply { connection: self, status, rest })
    }

    /// The head in the buffer, once all of it is there.
    fn head(&mut self) -> io::Result<Option<(u16, Rest)>> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(&self.buffer).map_err(io::Error::other)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Ok(None),
        };
        let status = response.code.unwrap_or_default();
        let mut rest = Rest::Nothing;
        for header in response.headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = std::str::from_utf8(header.value).ok().and_then(|text| text.parse().ok());
                rest = Rest::Bytes(length.ok_or_else(|| io::Error::other("a content-length that is no number"))?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                rest = Rest::Chunks;
            }
        }
        self.buffer.advance(length);
        Ok(Some((status, rest)))
    }

    async fn more(&mut self) -> io::Result<()> {
        self.buffer.reserve(4096);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Reply<'_> {
    /// The next piece of the body; `None` at its orderly end. A connection that is cut before that is an error.
    pub async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        match self.rest {
            Rest::Nothing | Rest::Bytes(0) => {
                self.rest = Rest::Nothing;
                Ok(None)
            }
            Rest::Bytes(left) => {
                if self.connection.buffer.is_empty() {
                    self.connection.more().await?;
                }
                let take = left.min(self.connection.buffer.len());
                self.rest = if take == left { Rest::Nothing } else { Rest::Bytes(left - take) };
                Ok(Some(self.connection.buffer.split_to(take).freeze()))
            }
            Rest::Chunks => {
                let size = self.line().await?;
                while self.connection.buffer.len() < size + 2 {
                    self.connection.more().await?;
                }
                let chunk = self.connection.buffer.split_to(size).freeze();
                self.connection.buffer.advance(2);
                if size == 0 {
                    self.rest = Rest::Nothing;
                    return Ok(None);
                }
                Ok(Some(chunk))
            }
        }
    }

    /// A chunk's length, from the line before it.
    async fn line(&mut self) -> io::Result<usize> {
        loop {
            match httparse::parse_chunk_size(&self.connection.buffer) {
                Ok(httparse::Status::Complete((end, size))) => {
                    self.connection.buffer.advance(end);
                    return usize::try_from(size).map_err(io::Error::other);
                }
                Ok(httparse::Status::Partial) => self.connection.more().await?,
                Err(_) => return Err(io::Error::other("a chunk whose length is no number")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// A connection to a server that says `said`, a byte at a time, and hangs up.
    async fn to(said: &'static [u8]) -> (Connection, tokio::task::JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = tokio::task::JoinSet::new();
        server.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut asked = [0; 64];
            assert!(stream.read(&mut asked).await.unwrap() > 0);
            for byte in said {
                stream.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        (Connection::open(address).await.unwrap(), server)
    }

    #[tokio::test]
    async fn an_answer_in_pieces_is_read_whole() {
        let said = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 204 No Content\r\n\r\n";
        let (mut connection, _server) = to(said).await;
        let answer = connection.ask(b"GET").await.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
        assert_eq!(connection.ask(b"GET").await.unwrap().status, 204);
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_is_not_taken_for_one_that_ended() {
        let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n";
        let (mut connection, _server) = to(whole).await;
        assert_eq!(connection.ask(b"GET").await.unwrap().text(), "one");
        let (mut connection, _server) = to(&whole[..whole.len() - 5]).await;
        let mut reply = connection.begin(b"GET").await.unwrap();
        assert_eq!(reply.chunk().await.unwrap().as_deref(), Some(&b"one"[..]));
        assert!(reply.chunk().await.is_err());
    }
}
