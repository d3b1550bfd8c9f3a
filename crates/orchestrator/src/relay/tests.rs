use std::collections::BTreeMap;

use bytes::Bytes;
use kici_wire::{Chunks, chunk_count};

use super::*;

fn start(message: &str, size: usize) -> WebhookRelayStart {
    WebhookRelayStart {
        message_id: message.into(),
        routing_key: "github:1".into(),
        delivery_id: format!("delivery of {message}"),
        event: "push".into(),
        action: None,
        signature_header_name: None,
        signature_header: None,
        client_ip: None,
        headers: BTreeMap::new(),
        total_size: size,
        chunk_count: chunk_count(size),
        request_id: None,
    }
}

fn chunks(message: &str, body: &[u8]) -> Vec<WebhookRelayChunk> {
    Chunks::new(message.into(), body.to_vec().into()).collect()
}

fn body(seed: usize, size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 31 + seed) as u8).collect()
}

fn table(room: usize) -> Table {
    Table::new(Arc::new(Semaphore::new(room)))
}

#[track_caller]
fn whole(step: Step) -> Parcel {
    match step {
        Step::Judge(parcel) => *parcel,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn answer(step: Step) -> WebhookAck {
    match step {
        Step::Answer(ack) => ack,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn wait(step: Step) {
    assert!(matches!(step, Step::Wait), "{step:?}");
}

#[test]
fn streams_interleave_and_stay_apart() {
    let (mut table, now) = (table(ROOM), Instant::now());
    let bodies = [body(1, 200_000), body(2, 131_072), body(3, 0)];
    let mut streams: Vec<_> = Vec::new();
    for (message, body) in ["a", "b", "c"].into_iter().zip(&bodies) {
        wait(table.start(start(message, body.len()), now));
        streams.push(chunks(message, body).into_iter());
    }
    let mut arrived = BTreeMap::new();
    while arrived.len() < 3 {
        for chunk in streams.iter_mut().filter_map(Iterator::next) {
            match table.chunk(&chunk, now) {
                Step::Wait => {}
                step => {
                    let delivery = whole(step).delivery;
                    arrived.insert(delivery.start.message_id.clone(), delivery.body);
                }
            }
        }
    }
    assert!(arrived.into_values().eq(bodies.map(Bytes::from)));
}

#[test]
fn a_broken_stream_is_answered_once_under_its_message_id() {
    let (mut table, now) = (table(ROOM), Instant::now());
    let pieces = chunks("m", &body(1, 200_000));
    wait(table.start(start("m", 200_000), now));
    wait(table.chunk(&pieces[0], now));
    let ack = answer(table.chunk(&pieces[2], now));
    assert_eq!((ack.message_id.as_str(), ack.delivery_id.as_str()), ("m", "m"));
    assert_eq!(ack.result, Some(Verdict::RejectedMisconfigured.into()));
    assert_eq!(ack.reason.as_deref(), Some("chunk 2 came where 1 was next"));
    wait(table.chunk(&pieces[3], now));

    // A new offer under the same id begins afresh.
    wait(table.start(start("m", 200_000), now));
    let last = pieces.iter().map(|piece| table.chunk(piece, now)).last().unwrap();
    assert_eq!(whole(last).delivery.body.len(), 200_000);
}

#[test]
fn chunks_without_a_start_are_answered_and_too_many_bytes_too() {
    let (mut table, now) = (table(ROOM), Instant::now());
    let piece = &chunks("m", b"abc")[0];
    let ack = answer(table.chunk(piece, now));
    assert_eq!((ack.message_id.as_str(), ack.delivery_id.as_str()), ("m", "m"));
    wait(table.chunk(piece, now));

    wait(table.start(start("n", 2), now));
    let ack = answer(table.chunk(&chunks("n", b"abc")[0], now));
    assert_eq!(ack.reason.as_deref(), Some("3 bytes came where 2 were announced"));
}

#[test]
fn a_start_that_cannot_be_is_answered_under_its_delivery_id() {
    let (mut table, now) = (table(ROOM), Instant::now());
    wait(table.start(start("m", 9), now));
    let ack = answer(table.start(start("m", 9), now));
    assert_eq!(ack.delivery_id, "delivery of m");
    assert!(ack.reason.unwrap().contains("second start"));
    wait(table.chunk(&chunks("m", &body(1, 9))[0], now));

    let ack = answer(table.start(start("n", kici_wire::MAX_FRAME + 1), now));
    assert_eq!(ack.delivery_id, "delivery of n");
    assert_eq!(ack.result, Some(Verdict::RejectedMisconfigured.into()));
}

#[test]
fn what_takes_thirty_seconds_is_dropped_in_silence() {
    let (mut table, now) = (table(ROOM), Instant::now());
    let pieces = chunks("m", &body(1, 70_000));
    wait(table.start(start("m", 70_000), now));
    wait(table.chunk(&pieces[0], now));
    wait(table.chunk(&pieces[1], now + PATIENCE));
    assert!(table.streams.is_empty());

    wait(table.start(start("n", 70_000), now));
    table.expire(now + PATIENCE - Duration::from_millis(1));
    assert_eq!(table.streams.len(), 1);
    table.expire(now + PATIENCE);
    assert!(table.streams.is_empty());
    assert_eq!(table.room.available_permits(), ROOM);
}

#[test]
fn memory_is_bounded_and_comes_back() {
    let (mut table, now) = (table(3 * OVERHEAD), Instant::now());
    wait(table.start(start("a", OVERHEAD), now));
    wait(table.start(start("b", 1), now));
    assert_eq!(table.streams.len(), 1, "there was no room for b");
    wait(table.chunk(&chunks("b", b"x")[0], now));

    let parcel = whole(table.chunk(&chunks("a", &body(1, OVERHEAD))[0], now));
    wait(table.start(start("c", OVERHEAD + 1), now));
    assert_eq!(table.streams.len(), 0, "a still waits for the handler");
    drop(parcel);
    wait(table.start(start("d", OVERHEAD + 1), now));
    assert_eq!(table.streams.len(), 1);
}

#[test]
fn the_number_of_streams_is_bounded_and_so_are_ids() {
    let (mut table, now) = (table(ROOM), Instant::now());
    for n in 0..=MOST_STREAMS {
        wait(table.start(start(&n.to_string(), 1), now));
    }
    assert_eq!(table.streams.len(), MOST_STREAMS);
    let long = "x".repeat(MAX_MESSAGE_ID + 1);
    wait(table.start(start(&long, 1), now));
    wait(table.chunk(&chunks(&long, b"x")[0], now));
}
