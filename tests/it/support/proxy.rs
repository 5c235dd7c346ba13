//! A TCP proxy on loopback that can cut connections or swallow their traffic.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes it on.
    Pass,
    /// Reads it and passes nothing on, in either direction.
    Swallow,
    /// Resets every connection, new ones too.
    Cut,
}

/// Listens on a port of its own for as long as it lives.
pub struct Proxy {
    pub address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub async fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mode = Arc::new(watch::Sender::new(Mode::Pass));
        let modes = Arc::clone(&mode);
        let task = tokio::spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                let (to, from) = (modes.subscribe(), modes.subscribe());
                if *to.borrow() == Mode::Cut {
                    reset(&inbound);
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(outbound) = TcpStream::connect(upstream).await else { return };
                    let (mut in_read, mut in_write) = inbound.into_split();
                    let (mut out_read, mut out_write) = outbound.into_split();
                    tokio::select! {
                        () = pump(&mut in_read, &mut out_write, to) => {}
                        () = pump(&mut out_read, &mut in_write, from) => {}
                    }
                    if let Ok(inbound) = in_read.reunite(in_write) {
                        reset(&inbound);
                    }
                });
            }
        });
        Self { address, mode, task }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Resets what is open and goes on.
    pub async fn cut_once(&self) {
        self.set(Mode::Cut);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        self.set(Mode::Pass);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.set(Mode::Cut);
    }
}

/// Closed with data unread or lingering, a socket sends a reset rather than an orderly end.
#[expect(deprecated, reason = "lingering for zero seconds does not block")]
fn reset(stream: &TcpStream) {
    let _ = stream.set_linger(Some(std::time::Duration::ZERO));
}

async fn pump(
    from: &mut tokio::net::tcp::OwnedReadHalf,
    to: &mut tokio::net::tcp::OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            cut = mode.wait_for(|mode| *mode == Mode::Cut) => {
                drop(cut);
                return;
            }
            read = from.read(&mut buffer) => read,
        };
        match read {
            Ok(0) | Err(_) => return,
            Ok(_) if *mode.borrow() == Mode::Swallow => {}
            Ok(length) => {
                if to.write_all(&buffer[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
