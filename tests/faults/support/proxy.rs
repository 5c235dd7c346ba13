//! A TCP proxy on loopback that does to a line what networks do: reset, silence in one or both directions, latency with
//! jitter, little bandwidth, tiny slices; and one thing they do not: the same ack twice.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// What happens to bytes of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Way {
    /// Nothing passes; it waits and goes on when the silence ends, as TCP would send it again.
    pub silent: bool,
    pub latency: Duration,
    /// Up to so much more or less latency.
    pub jitter: Duration,
    pub bytes_per_second: Option<u32>,
    /// Most bytes written at once.
    pub slice: Option<usize>,
}

/// The line's faults now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Line {
    /// From the worker to the server.
    pub up: Way,
    /// From the server to the worker.
    pub down: Way,
    /// Only connections that say this in their first bytes.
    pub only: Option<&'static str>,
}

/// Listens on a port of its own for as long as it lives.
pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    line: watch::Sender<Line>,
    /// How many times connections were reset, and which were meant.
    resets: watch::Sender<(u64, Option<&'static str>)>,
    double_ack: AtomicBool,
    accepted: AtomicU64,
}

impl Proxy {
    pub async fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            line: watch::Sender::new(Line::default()),
            resets: watch::Sender::new((0, None)),
            double_ack: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                serving.accepted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(connection(inbound, upstream, Arc::clone(&serving)));
            }
        });
        Self { address, shared, task }
    }

    pub fn set(&self, line: Line) {
        self.shared.line.send_replace(line);
    }

    /// Resets the connections that are open, all or those that said this in their first bytes.
    pub fn reset(&self, only: Option<&'static str>) {
        self.shared.resets.send_modify(|(count, which)| {
            *count += 1;
            *which = only;
        });
    }

    /// Sends the next `basic.ack` twice.
    pub fn double_next_ack(&self) {
        self.shared.double_ack.store(true, Ordering::Relaxed);
    }

    /// Whether that has happened.
    pub fn ack_was_doubled(&self) -> bool {
        !self.shared.double_ack.load(Ordering::Relaxed)
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.reset(None);
    }
}

async fn connection(inbound: TcpStream, upstream: SocketAddr, shared: Arc<Shared>) {
    let Ok(outbound) = TcpStream::connect(upstream).await else { return };
    let _ = (inbound.set_nodelay(true), outbound.set_nodelay(true));
    lose_rest_on_close(&inbound);
    let (in_read, in_write) = inbound.into_split();
    let (out_read, out_write) = outbound.into_split();
    let said = Arc::new(watch::Sender::new(Vec::new()));
    let (up, down) = (shared.line.subscribe(), shared.line.subscribe());
    let mut resets = shared.resets.subscribe();
    let first_words = Arc::clone(&said);
    let reset = async {
        loop {
            if resets.changed().await.is_err() {
                return;
            }
            let (_, only) = *resets.borrow_and_update();
            if is_meant(only, &first_words.borrow()) {
                return;
            }
        }
    };
    tokio::select! {
        () = reset => {}
        () = carry(in_read, out_write, up, Direction::Up, Arc::clone(&said), Arc::clone(&shared)) => {}
        () = carry(out_read, in_write, down, Direction::Down, said, shared) => {}
    }
}

/// Closed while lingering for no time, a socket sends a reset rather than an orderly end.
#[expect(deprecated, reason = "lingering for zero seconds does not block")]
fn lose_rest_on_close(stream: &TcpStream) {
    let _ = stream.set_linger(Some(Duration::ZERO));
}

fn is_meant(only: Option<&str>, said: &[u8]) -> bool {
    only.is_none_or(|only| said.windows(only.len()).any(|part| part == only.as_bytes()))
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Up,
    Down,
}

/// How much of a connection's beginning is kept to know it by.
const FIRST_WORDS: usize = 4096;

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut line: watch::Receiver<Line>,
    direction: Direction,
    said: Arc<watch::Sender<Vec<u8>>>,
    shared: Arc<Shared>,
) {
    let (sender, mut queue) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let way = |line: Line, said: &[u8]| {
        let way = if direction == Direction::Up { line.up } else { line.down };
        if is_meant(line.only, said) { way } else { Way::default() }
    };
    let read = {
        let (line, said, shared) = (line.clone(), Arc::clone(&said), Arc::clone(&shared));
        async move {
            let mut buffer = vec![0; 16 * 1024];
            let mut last = Instant::now();
            while let Ok(length @ 1..) = from.read(&mut buffer).await {
                let mut bytes = buffer[..length].to_vec();
                if direction == Direction::Up {
                    if said.borrow().len() < FIRST_WORDS {
                        said.send_modify(|said| said.extend_from_slice(&bytes));
                    }
                    if shared.double_ack.load(Ordering::Relaxed) && double_ack(&mut bytes) {
                        shared.double_ack.store(false, Ordering::Relaxed);
                    }
                }
                let now = way(*line.borrow(), &said.borrow());
                let [random, ..] = *uuid::Uuid::new_v4().as_bytes();
                let late = now.latency + now.jitter.mul_f64(f64::from(random) / 127.5);
                // Bytes never overtake each other.
                last = last.max(Instant::now() + late.saturating_sub(now.jitter));
                if sender.send((last, bytes)).await.is_err() {
                    return;
                }
            }
        }
    };
    let write = async move {
        let mut owed = Duration::ZERO;
        while let Some((due, bytes)) = queue.recv().await {
            tokio::time::sleep_until(due).await;
            let mut rest: VecDeque<u8> = bytes.into();
            while !rest.is_empty() {
                let heard = line.wait_for(|line| !way(*line, &said.borrow()).silent).await;
                let Ok(now) = heard.map(|line| way(*line, &said.borrow())) else { return };
                let length = now.slice.unwrap_or(usize::MAX).min(rest.len());
                let piece: Vec<u8> = rest.drain(..length).collect();
                if let Some(rate) = now.bytes_per_second {
                    // A pause per slice would be longer than meant: timers count milliseconds.
                    owed += Duration::from_secs_f64(piece.len() as f64 / f64::from(rate));
                    if owed > Duration::from_millis(4) {
                        tokio::time::sleep(std::mem::take(&mut owed)).await;
                    }
                }
                if to.write_all(&piece).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::join!(read, write);
}

/// Repeats the first whole `basic.ack` frame in these bytes: type 1, channel, length 13, class 60, method 80, tag, flag, end.
fn double_ack(bytes: &mut Vec<u8>) -> bool {
    const LENGTH: usize = 7 + 13 + 1;
    let is_ack = |frame: &[u8]| {
        frame[0] == 1 && frame[3..11] == [0, 0, 0, 13, 0, 60, 0, 80] && frame[LENGTH - 1] == 0xCE
    };
    let Some(at) = bytes.windows(LENGTH).position(is_ack) else { return false };
    let frame: Vec<u8> = bytes[at..at + LENGTH].to_vec();
    bytes.splice(at..at, frame);
    true
}
