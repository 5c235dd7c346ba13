//! Places where a fault test makes a worker process die, fail or wait. `SMISTA_FAILPOINTS` names them; only debug builds
//! look at it, and in a release build every call here is empty.
//!
//! The variable holds entries separated by `;`, each `POINT[~PART][@N][*TIMES]=ACTION`: when POINT is reached with a key
//! that contains PART (any, without one), from the Nth such time on, at most TIMES times, do ACTION: `kill` (the process
//! ends at once, as by SIGKILL), `fail` (the caller pretends to have failed), `sleep:MILLISECONDS`, `while:FILE` (waits for
//! as long as FILE is there), or `note:FILE` (appends point and key to FILE). An entry that cannot be read never fires.

#[cfg(debug_assertions)]
mod armed {
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    struct Entry {
        point: String,
        part: String,
        first: u64,
        times: u64,
        action: Action,
        reached: AtomicU64,
    }

    enum Action {
        Kill,
        Fail,
        Sleep(Duration),
        While(String),
        Note(String),
    }

    /// What the caller has to do.
    #[derive(Default)]
    pub struct Order {
        pub fail: bool,
        pub wait: Option<Duration>,
        pub wait_while: Option<std::path::PathBuf>,
    }

    impl Order {
        /// The next pause, until there is none.
        pub fn pause(&mut self) -> Option<Duration> {
            let waits = || self.wait_while.as_ref().is_some_and(|file| file.exists());
            self.wait.take().or_else(|| waits().then_some(Duration::from_millis(20)))
        }
    }

    pub fn at(point: &str, key: &str) -> Order {
        static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
        let entries = ENTRIES.get_or_init(|| {
            let text = std::env::var("SMISTA_FAILPOINTS").unwrap_or_default();
            text.split(';').filter_map(entry).collect()
        });
        let mut order = Order::default();
        for entry in entries.iter().filter(|entry| entry.point == point && key.contains(&entry.part)) {
            let reached = entry.reached.fetch_add(1, Ordering::Relaxed) + 1;
            if reached < entry.first || reached - entry.first >= entry.times {
                continue;
            }
            match &entry.action {
                Action::Kill => std::process::abort(),
                Action::Fail => order.fail = true,
                Action::Sleep(pause) => order.wait = Some(*pause),
                Action::While(file) => order.wait_while = Some(file.into()),
                Action::Note(file) => {
                    if let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(file) {
                        // The test reads the file and misses a line that is not there.
                        let _ = file.write_all(format!("{point} {key}\n").as_bytes());
                    }
                }
            }
        }
        order
    }

    fn entry(text: &str) -> Option<Entry> {
        let (what, action) = text.trim().split_once('=')?;
        let (what, times) = what.split_once('*').map_or((what, None), |(what, times)| (what, Some(times)));
        let (what, first) = what.split_once('@').map_or((what, None), |(what, first)| (what, Some(first)));
        let (point, part) = what.split_once('~').unwrap_or((what, ""));
        let number = |text: Option<&str>, default| text.map_or(Some(default), |text| text.parse().ok());
        let action = match action.split_once(':') {
            None if action == "kill" => Action::Kill,
            None if action == "fail" => Action::Fail,
            Some(("sleep", millis)) => Action::Sleep(Duration::from_millis(millis.parse().ok()?)),
            Some(("while", file)) => Action::While(file.to_owned()),
            Some(("note", file)) => Action::Note(file.to_owned()),
            _ => return None,
        };
        Some(Entry {
            point: point.to_owned(),
            part: part.to_owned(),
            first: number(first, 1)?.max(1),
            times: number(times, u64::MAX)?,
            action,
            reached: AtomicU64::new(0),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn entries_are_read() {
            let read =
                |text: &str| entry(text).map(|entry| (entry.point, entry.part, entry.first, entry.times));
            let expected = |point: &str, part: &str, first, times| {
                Some((point.to_owned(), part.to_owned(), first, times))
            };
            assert_eq!(read("commit=kill"), expected("commit", "", 1, u64::MAX));
            assert_eq!(read(" infer~poison@2*3=fail"), expected("infer", "poison", 2, 3));
            assert_eq!(read("ack~m-1=sleep:50"), expected("ack", "m-1", 1, u64::MAX));
            assert_eq!(read("mark@2=while:/tmp/x"), expected("mark", "", 2, u64::MAX));
            for wrong in ["", "commit", "commit=explode", "commit@x=kill", "commit=sleep:long"] {
                assert_eq!(read(wrong), None, "{wrong}");
            }
        }
    }
}

/// A place on an async path: may wait, may end the process. `true` when the caller is to fail.
pub async fn pass(point: &str, key: &str) -> bool {
    #[cfg(debug_assertions)]
    {
        let mut order = armed::at(point, key);
        while let Some(pause) = order.pause() {
            tokio::time::sleep(pause).await;
        }
        order.fail
    }
    #[cfg(not(debug_assertions))]
    {
        let _ = (point, key);
        false
    }
}

/// The same on a thread that may block.
pub fn block(point: &str, key: &str) -> bool {
    #[cfg(debug_assertions)]
    {
        let mut order = armed::at(point, key);
        while let Some(pause) = order.pause() {
            std::thread::sleep(pause);
        }
        order.fail
    }
    #[cfg(not(debug_assertions))]
    {
        let _ = (point, key);
        false
    }
}
