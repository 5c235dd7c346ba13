//! Rows 25 to 27: what the database does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sqlx::{Connection as _, Executor as _};

use crate::support::bench::{Db, Setup};
use crate::support::ledger::{Book, now};
use crate::support::report::left_out;
use crate::support::verdict::Verdict;
use crate::support::{by_form, millis, seconds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_25_postgresql_stopped_at_once() {
    let setup = Setup {
        db: Db::OwnPostgres,
        ..Setup::of(25, "PostgreSQL stopped at once", "working within 10 s of its return; heartbeats go on")
    };
    let Some(bench) = setup.open().await else { return };
    let mut worker = bench.worker("worker");
    worker.ready().await;
    let load = bench.keep_loading(20, 100);
    let rounds = by_form(2, 20);
    let mut verdict =
        Verdict::of(format!("{rounds} times stopped at once, away for 3 s, 20 messages a second"));
    let postgres = bench.postgres.as_ref().unwrap();
    for _ in 0..rounds {
        bench.ledger().decided_after(now(), seconds(60)).await;
        tokio::task::block_in_place(|| postgres.kill());
        tokio::time::sleep(seconds(3)).await;
        let (ok, detail) = worker.health("store");
        verdict.require(!ok, format!("readiness says of the store: {detail}"));
        tokio::task::block_in_place(|| postgres.restart());
        let back = now();
        verdict.recovered(bench.ledger().decided_after(back, seconds(60)).await, seconds(10));
    }
    load.stop().await;
    verdict.require(worker.health("broker").0, "the broker was lost with it");
    verdict.require(!worker.log().contains("broker not available"), "the broker connection was lost");
    bench.close(vec![worker], verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_26_a_lock_is_held() {
    let hold = by_form(seconds(12), seconds(30));
    let setup = Setup {
        db: Db::Postgres,
        ..Setup::of(
            26,
            "a lock held in PostgreSQL",
            "the statement timeout fires; heartbeats go on; working within 10 s",
        )
    }
    .set("SMISTA_STORE__STATEMENT_TIMEOUT_S", 3);
    let Some(bench) = setup.open().await else { return };
    let mut worker = bench.worker("worker");
    worker.ready().await;
    let load = bench.keep_loading(20, 100);
    bench.ledger().decided_after(now(), seconds(60)).await;
    let mut holder = sqlx::postgres::PgConnection::connect(&bench.store).await.unwrap();
    holder.execute("BEGIN").await.unwrap();
    holder.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let locked = Instant::now();
    let shown = worker.part_is("store", |ok, _| !ok, seconds(60)).await;
    // From the first timeout on, readiness says so for as long as the lock is held, though reads of other tables succeed.
    let mut flapped = 0;
    while locked.elapsed() < hold {
        flapped += usize::from(worker.health("store").0);
        tokio::time::sleep(millis(200)).await;
    }
    let mut verdict =
        Verdict::of(format!("the customers' table locked for {} s, statement timeout 3 s", hold.as_secs()));
    verdict.figure("shown_after_s", shown.as_secs_f64());
    verdict.require(flapped == 0, format!("readiness called the store working {flapped} times meanwhile"));
    let freed = now();
    holder.execute("COMMIT").await.unwrap();
    verdict.recovered(bench.ledger().decided_after(freed, seconds(60)).await, seconds(10));
    load.stop().await;
    worker.part_is("store", |ok, _| ok, seconds(60)).await;
    let log = worker.log();
    verdict.require(
        log.contains("statement timeout") || log.contains("no answer in time"),
        "no timeout in the log",
    );
    verdict.require(!log.contains("broker not available"), "the broker connection was lost");
    bench.close(vec![worker], verdict).await;
}

/// A small file system in memory; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all that is left but so many bytes.
    fn fill(&self, left: usize) -> PathBuf {
        let file = self.path().join("filler");
        let mut size = 8 * 1024 * 1024;
        while size > 0 && std::fs::write(&file, vec![0; size]).is_err() {
            size -= 64 * 1024;
        }
        std::fs::write(&file, vec![0; size.saturating_sub(left)]).unwrap();
        file
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_27_sqlite_on_a_full_disk() {
    let mut setup = Setup::of(27, "SQLite on a full 8 MB disk", "no ack; resumes when there is room");
    let Some(disk) = SmallDisk::mount() else {
        left_out(setup.row, "an 8 MB disk cannot be mounted here (it needs root)");
        return;
    };
    setup.sqlite_folder = Some(disk.path().to_owned());
    let Some(bench) = setup.open().await else { return };
    let mut worker = bench.worker("worker");
    worker.ready().await;
    bench.load(20, 20).await;
    bench.ledger().until(seconds(60), "all decided", Book::is_settled).await;
    let filler = disk.fill(256 * 1024);
    bench.load(by_form(150, 400), 200).await;
    let full = Instant::now();
    while !worker.log().contains("full") && full.elapsed() < seconds(60) {
        tokio::time::sleep(millis(200)).await;
    }
    let mut verdict = Verdict::of("messages until the disk is full, then for some seconds more");
    verdict.require(worker.log().contains("full"), "the disk never was full: the row shows nothing");
    tokio::time::sleep(by_form(seconds(5), seconds(60))).await;
    let (ok, detail) = worker.health("store");
    verdict.require(!ok, format!("readiness says of the store: {detail}"));
    let (acked, decided) =
        (worker.metric("smista_decided_total"), bench.ledger().look(|book| book.first.len()));
    verdict.require(acked <= decided as f64, format!("{acked} acked, {decided} decided"));
    verdict.figure("waiting_while_full", bench.ledger().look(|book| book.open().len()));
    std::fs::remove_file(filler).unwrap();
    let freed = now();
    verdict.recovered(bench.ledger().decided_after(freed, seconds(60)).await, seconds(10));
    bench.close(vec![worker], verdict).await;
    drop(disk);
}
