//! Workers that share the input queues: the list they keep, who works on what, and what happens as they come and go.

use smista::config::{self, Config};
use smista::store::{self, Attendance, Store};

use crate::support::{fresh_database, fresh_prefix, postgres_url};

fn configured(url: &str) -> config::Store {
    config::Store { url: url.to_owned(), ..Config::load(None).unwrap().store }
}

async fn keeps_a_list_of_workers(store: &dyn Store) {
    let (team, other) = (fresh_prefix(), fresh_prefix());
    let line = |worker: &str, beat, places: &[u64]| Attendance {
        worker: worker.to_owned(),
        beat,
        places: places.to_vec(),
    };
    let anna = line("anna", 1, &[1, 2]);
    assert_eq!(store.attend(&team, &anna).await.unwrap(), vec![anna.clone()]);
    let bruno = line("bruno", 1, &[u64::from(u32::MAX) + 7]);
    assert_eq!(store.attend(&team, &bruno).await.unwrap(), vec![anna, bruno.clone()]);
    let anna = line("anna", 2, &[1, 5]);
    assert_eq!(
        store.attend(&team, &anna).await.unwrap(),
        vec![anna.clone(), bruno.clone()],
        "the latest line counts"
    );
    let carla = line("carla", 9, &[3]);
    assert_eq!(store.attend(&other, &carla).await.unwrap(), vec![carla], "teams do not see each other");
    // Whoever thinks a worker dead does not take off one that has beaten since.
    store.dismiss(&team, "anna", 1).await.unwrap();
    store.dismiss(&team, "bruno", 1).await.unwrap();
    store.dismiss(&team, "nobody", 1).await.unwrap();
    assert_eq!(store.attend(&team, &anna).await.unwrap(), vec![anna]);
}

#[tokio::test]
async fn the_list_of_workers_on_sqlite() {
    keeps_a_list_of_workers(&*store::sqlite::memory().await.unwrap()).await;
}

#[tokio::test]
async fn the_list_of_workers_on_postgresql() {
    let Some(url) = postgres_url() else { return };
    let url = fresh_database(&url).await;
    keeps_a_list_of_workers(&*store::open(&configured(&url)).await.unwrap()).await;
}
