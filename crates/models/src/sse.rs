//! Reads server-sent events from bytes as they come, however they are cut. Only the events' data is kept; a line or an
//! event that is too long is an error, so that nothing grows without bound.

/// An event was longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Bytes in, data of events out.
#[derive(Debug)]
pub struct Events {
    /// What came and is not read yet.
    buffer: Vec<u8>,
    /// How much of the buffer holds no line end.
    searched: usize,
    /// The data of the event that is being read; `None` before its first `data` line.
    data: Option<Vec<u8>>,
    /// The last line ended in CR: a LF that follows belongs to it.
    after_cr: bool,
    /// Nothing was read yet: a byte order mark may come.
    fresh: bool,
    limit: usize,
}

impl Events {
    /// Events and lines of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), searched: 0, data: None, after_cr: false, fresh: true, limit }
    }

    /// Takes more bytes. Call [`Events::next`] until it has none before the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The data of the next whole event; `None` until more bytes come. An event that the end of the bytes cuts off is
    /// never told.
    pub fn next(&mut self) -> Result<Option<String>, TooLong> {
        let mut start = 0;
        let found = loop {
            if self.after_cr && start < self.buffer.len() {
                self.after_cr = false;
                if self.buffer[start] == b'\n' {
                    start += 1;
                }
            }
            let from = self.searched.max(start);
            let Some(end) = self.buffer[from..].iter().position(|b| matches!(b, b'\r' | b'\n')).map(|at| from + at)
            else {
                break None;
            };
            self.after_cr = self.buffer[end] == b'\r';
            let mut line = &self.buffer[start..end];
            if std::mem::take(&mut self.fresh) {
                line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
            }
            start = end + 1;
            self.searched = start;
            if line.is_empty() {
                if let Some(data) = self.data.take() {
                    break Some(data);
                }
            } else {
                read_line(&mut self.data, line);
            }
            if self.data.as_ref().is_some_and(|data| data.len() > self.limit) {
                return Err(TooLong);
            }
        };
        self.buffer.drain(..start);
        self.searched = if found.is_some() { 0 } else { self.buffer.len() };
        if found.is_none() && self.buffer.len() > self.limit {
            return Err(TooLong);
        }
        Ok(found.map(|data| String::from_utf8_lossy(&data).into_owned()))
    }
}

/// Adds a line's data to the event; other fields and comments are passed over.
fn read_line(data: &mut Option<Vec<u8>>, line: &[u8]) {
    let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
    let (field, value) = line.split_at(colon);
    if field != b"data" {
        return;
    }
    let value = value.strip_prefix(b":").unwrap_or(value);
    let value = value.strip_prefix(b" ").unwrap_or(value);
    match data {
        Some(data) => {
            data.push(b'\n');
            data.extend_from_slice(value);
        }
        None => *data = Some(value.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(chunks: &[&[u8]], limit: usize) -> Result<Vec<String>, TooLong> {
        let mut events = Events::new(limit);
        let mut told = Vec::new();
        for chunk in chunks {
            events.push(chunk);
            while let Some(data) = events.next()? {
                told.push(data);
            }
        }
        Ok(told)
    }

    fn told(text: &str) -> Vec<String> {
        read(&[text.as_bytes()], 1000).unwrap()
    }

    #[test]
    fn every_line_end_ends_a_line() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("data: a{end}data:b{end}{end}: comment{end}event: x{end}data{end}{end}data: cut");
            assert_eq!(told(&text), ["a\nb", ""], "{end:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_and_fields_without_data_say_nothing() {
        assert_eq!(told("\u{feff}data: a\n\nid: 3\n\nretry: 1\n\n"), ["a"]);
    }

    #[test]
    fn what_is_too_long_is_an_error() {
        assert_eq!(read(&[&[b'x'; 2000]], 1000), Err(TooLong));
        let lines = "data: 0123456789\n".repeat(200);
        assert_eq!(read(&[lines.as_bytes()], 1000), Err(TooLong));
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_events_are_the_same(
            text in "(data|:|event|: ?|\r\n|\n|\r|é|🙂|[a-c]){0,60}\n\n",
            cuts in proptest::collection::vec(1usize..7, 0..80),
        ) {
            let bytes = text.as_bytes();
            let mut chunks = Vec::new();
            let mut rest = bytes;
            for cut in cuts {
                let (chunk, left) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = left;
            }
            chunks.push(rest);
            prop_assert_eq!(read(&chunks, 1000), read(&[bytes], 1000));
        }

        #[test]
        fn no_bytes_make_it_panic(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let _ = read(&chunks, 64);
        }
    }
}
