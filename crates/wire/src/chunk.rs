//! A body in pieces, and the pieces put together again. Both directions stand side by side so that
//! one test can hold them against each other.

use bytes::Bytes;
use data_encoding::BASE64;

use crate::{CHUNK, MAX_FRAME, WebhookRelayChunk, WebhookRelayStart};

/// How many chunks a body of `size` bytes makes: at least one.
#[must_use]
pub const fn chunk_count(size: usize) -> usize {
    if size == 0 { 1 } else { size.div_ceil(CHUNK) }
}

/// Cuts a body into chunks, one at a time, so that deliveries can take turns on a connection.
#[derive(Debug)]
pub struct Chunks {
    message_id: String,
    rest: Bytes,
    sequence: usize,
    is_done: bool,
}

impl Chunks {
    /// The chunks of `body`.
    #[must_use]
    pub fn new(message_id: String, body: Bytes) -> Self {
        Self { message_id, rest: body, sequence: 0, is_done: false }
    }
}

impl Iterator for Chunks {
    type Item = WebhookRelayChunk;

    fn next(&mut self) -> Option<WebhookRelayChunk> {
        if self.is_done {
            return None;
        }
        let piece = self.rest.split_to(CHUNK.min(self.rest.len()));
        self.is_done = self.rest.is_empty();
        let sequence = self.sequence;
        self.sequence += 1;
        Some(WebhookRelayChunk {
            message_id: self.message_id.clone(),
            sequence,
            data: BASE64.encode(&piece),
            is_final: self.is_done,
        })
    }
}

/// Puts one delivery together again.
#[derive(Debug)]
pub struct Reassembly {
    start: WebhookRelayStart,
    body: Vec<u8>,
    next: usize,
}

/// Why a stream of chunks is broken; the ack is `rejected_misconfigured` with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReassemblyError {
    /// The announced size can't be, or does not go with the announced number of chunks.
    #[error("{total} bytes in {chunks} chunks can't be")]
    Announced {
        /// Bytes.
        total: usize,
        /// Chunks.
        chunks: usize,
    },
    /// A chunk is missing or came twice.
    #[error("chunk {got} came where {wanted} was next")]
    OutOfOrder {
        /// What was next.
        wanted: usize,
        /// What came.
        got: usize,
    },
    /// A chunk is not base64.
    #[error("chunk {0} is not base64")]
    Encoding(usize),
    /// The body has another length than announced.
    #[error("{got} bytes came where {wanted} were announced")]
    Length {
        /// What was announced.
        wanted: usize,
        /// What came.
        got: usize,
    },
}

impl Reassembly {
    /// Begins with the announcement.
    ///
    /// # Errors
    /// The announced size is over the limit, or does not go with the number of chunks.
    pub fn new(start: WebhookRelayStart) -> Result<Self, ReassemblyError> {
        let (total, chunks) = (start.total_size, start.chunk_count);
        if total > MAX_FRAME || chunks == 0 || chunks > total.max(1) {
            return Err(ReassemblyError::Announced { total, chunks });
        }
        Ok(Self { start, body: Vec::new(), next: 0 })
    }

    /// Takes the next chunk; after the last one gives the announcement and the whole body.
    ///
    /// # Errors
    /// The chunk does not fit; the delivery is lost and must be answered as misconfigured.
    pub fn push(
        &mut self,
        chunk: &WebhookRelayChunk,
    ) -> Result<Option<(WebhookRelayStart, Bytes)>, ReassemblyError> {
        if chunk.sequence != self.next {
            return Err(ReassemblyError::OutOfOrder { wanted: self.next, got: chunk.sequence });
        }
        self.next += 1;
        let piece = BASE64
            .decode(chunk.data.as_bytes())
            .map_err(|_| ReassemblyError::Encoding(chunk.sequence))?;
        self.body.extend_from_slice(&piece);
        let (got, wanted) = (self.body.len(), self.start.total_size);
        if got > wanted || (chunk.is_final && (got < wanted || self.next != self.start.chunk_count))
        {
            return Err(ReassemblyError::Length { wanted, got });
        }
        Ok(chunk.is_final.then(|| (self.start.clone(), std::mem::take(&mut self.body).into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(total_size: usize) -> WebhookRelayStart {
        WebhookRelayStart {
            message_id: "m".into(),
            routing_key: "github:1".into(),
            delivery_id: "d".into(),
            event: "push".into(),
            action: None,
            signature_header_name: None,
            signature_header: None,
            client_ip: None,
            headers: std::collections::BTreeMap::default(),
            total_size,
            chunk_count: chunk_count(total_size),
            request_id: None,
        }
    }

    #[test]
    fn bodies_of_every_awkward_size_come_back_byte_for_byte() {
        for size in [0, 1, 2, 3, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 1_000_003] {
            let body: Vec<u8> = (0..size).map(|n| (n * 31 % 251) as u8).collect();
            let chunks: Vec<_> = Chunks::new("m".into(), body.clone().into()).collect();
            assert_eq!(chunks.len(), chunk_count(size), "{size}");
            let mut reassembly = Reassembly::new(start(size)).unwrap();
            let mut whole = None;
            for chunk in &chunks {
                assert!(whole.is_none(), "final too early");
                whole = reassembly.push(chunk).unwrap();
            }
            assert_eq!(whole.unwrap().1, body, "{size}");
        }
    }

    #[test]
    fn broken_streams_are_named() {
        let chunks: Vec<_> = Chunks::new("m".into(), vec![7; CHUNK + 1].into()).collect();
        let begin = |size| Reassembly::new(start(size)).unwrap();
        assert_eq!(
            begin(CHUNK + 1).push(&chunks[1]),
            Err(ReassemblyError::OutOfOrder { wanted: 0, got: 1 })
        );
        assert!(matches!(begin(5).push(&chunks[0]), Err(ReassemblyError::Length { .. })));
        let mut long = begin(CHUNK + 2);
        assert_eq!(long.push(&chunks[0]), Ok(None));
        assert!(matches!(long.push(&chunks[1]), Err(ReassemblyError::Length { .. })));
        let broken = WebhookRelayChunk { data: "%".into(), ..chunks[0].clone() };
        assert_eq!(begin(CHUNK + 1).push(&broken), Err(ReassemblyError::Encoding(0)));
        assert!(Reassembly::new(start(MAX_FRAME + 1)).is_err());
    }
}
