//! A policy in the shadow: compared on every message, published on none, exchanged at SIGHUP, harmless when it is bad.

use std::time::{Duration, Instant};

use smista::routing::canary::Aspect;
use smista::store::console::{ConsoleStore, Pairing};
use smista::{config, store};

use crate::support::ledger::Ledger;
use crate::support::process::{Worker, Workspace};
use crate::support::rabbit::on_stage;
use crate::support::{fresh_database, postgres_url};

const LONG: Duration = Duration::from_secs(20);
const DEFAULT: &str = include_str!("../../policy/default.toml");
const RULE: &str = "\n[[rules]]\nname = \"everything-now\"\nwhen = \"true\"\npriority = \"urgent\"\nflag = \"tried\"\nreason = \"A try\"\n";

fn says(worker: &Worker, what: &str) {
    let until = Instant::now() + LONG;
    while !worker.log().contains(what) {
        assert!(Instant::now() < until, "no {what:?} in:\n{}", worker.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

async fn eventually(store: &dyn ConsoleStore, what: impl Fn(&[Pairing]) -> bool) -> Vec<Pairing> {
    let until = Instant::now() + LONG;
    loop {
        let pairings = store.pairings(10).await.unwrap();
        if what(&pairings) {
            return pairings;
        }
        assert!(Instant::now() < until, "{pairings:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_in_the_shadow_is_compared_and_published_nowhere() {
    on_stage(1, async |stage| {
        let workspace = Workspace::new(&stage.config.url, &stage.config.prefix, 1, None);
        let candidate = workspace.path().join("candidate.toml");
        std::fs::write(&candidate, format!("{DEFAULT}{RULE}")).unwrap();
        let text = std::fs::read_to_string(workspace.config()).unwrap();
        std::fs::write(workspace.config(), format!("{text}\n[canary]\npolicy = \"candidate.toml\"\n"))
            .unwrap();
        let mut ledger = Ledger::open(&stage.config.url, &stage.config.prefix).await;
        let mut worker = workspace.worker("live");
        worker.wait_connected(LONG);
        let mut config = config::Config::load(Some(workspace.config())).unwrap();
        config.store.url = format!("sqlite:{}", workspace.path().join("smista.db").display());
        let store = store::open_console(&config.store).await.unwrap();
        for sent in 0..5 {
            ledger.publish("anna", &format!("m{sent}"), "where is my parcel?", "2026-05-14T18:45:00Z").await;
        }
        ledger.read(5, 0, LONG).await;
        assert!(
            ledger.decided.iter().all(|decision| decision["priority"]["level"] != "urgent"),
            "only the live policy's"
        );
        let pairings =
            eventually(&*store, |pairings| pairings.iter().any(|pairing| pairing.compared == 5)).await;
        let [Pairing { live, shadow, differing: 5, .. }] = &pairings[..] else { panic!("{pairings:?}") };
        let moved = store.moved(live, shadow, 10).await.unwrap();
        let of = |aspect| moved.iter().filter(move |moved| moved.difference.aspect == aspect);
        assert!(of(Aspect::Priority).all(|moved| moved.difference.shadow == "urgent"), "{moved:?}");
        assert!(of(Aspect::Flags).all(|moved| moved.difference.shadow.contains("tried")), "{moved:?}");
        for aspect in [Aspect::Priority, Aspect::Flags] {
            assert_eq!(of(aspect).map(|moved| moved.count).sum::<u64>(), 5, "{moved:?}");
        }
        let differing = store.differing(live, shadow, Some(Aspect::Priority), 3).await.unwrap();
        assert_eq!(differing.len(), 3, "as many as asked for");
        assert!(differing[0].differences.len() >= 2, "all aspects of the message: {differing:?}");
        assert!(differing[0].shadow_rules.contains("everything-now"), "{differing:?}");
        assert!(store.differing(live, shadow, Some(Aspect::Sentiment), 3).await.unwrap().is_empty());

        // A bad one is refused, and the former one goes on.
        std::fs::write(&candidate, "[[rules]]\nwhen = \"nonsense(\"\n").unwrap();
        worker.signal("HUP");
        says(&worker, "canary policy refused");
        ledger.publish("anna", "m5", "where is my parcel?", "2026-05-14T18:46:00Z").await;
        ledger.read(6, 0, LONG).await;
        eventually(&*store, |pairings| pairings.len() == 1 && pairings[0].compared == 6).await;
        // Another one begins a comparison of its own; what is compared is written before the worker ends.
        std::fs::write(&candidate, format!("{DEFAULT}\n# another one\n")).unwrap();
        worker.signal("HUP");
        says(&worker, "canary policy reloaded");
        ledger.publish("anna", "m6", "where is my parcel?", "2026-05-14T18:47:00Z").await;
        ledger.read(7, 0, LONG).await;
        assert_eq!(worker.terminate(LONG), Some(0));
        let pairings = store.pairings(10).await.unwrap();
        assert_eq!(pairings.len(), 2, "{pairings:?}");
        let equal = pairings.iter().find(|pairing| pairing.compared == 1).unwrap();
        assert_eq!(equal.differing, 0, "the same rules decide alike");
    })
    .await;
}

#[tokio::test]
async fn a_bad_canary_is_told_before_anything_is_done() {
    let workspace = Workspace::new("amqp://127.0.0.1:1", "p", 1, None);
    let text = std::fs::read_to_string(workspace.config()).unwrap();
    let configure = |canary: &str| {
        std::fs::write(workspace.config(), format!("{text}\n[canary]\n{canary}\n")).unwrap();
        let output = workspace.smista(&["worker"]);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let told = configure("policy = \"nowhere.toml\"");
    assert!(told.contains("canary") && told.contains("nowhere.toml") && told.contains("hint:"), "{told}");
    let told = configure("share = 0.0");
    assert!(told.contains("canary.share must be above 0"), "{told}");
    let told = configure("polcy = \"x\"");
    assert!(told.contains("polcy"), "{told}");
}

#[tokio::test]
async fn comparisons_are_kept_alike_on_postgres() {
    use chrono::{TimeDelta, Utc};
    use smista::routing::canary::{Comparison, Difference};

    let Some(url) = postgres_url() else { return };
    let mut config = config::Config::load(None).unwrap();
    config.store.url = fresh_database(&url).await;
    let store = store::open_console(&config.store).await.unwrap();
    let said = crate::console::desk::Said::flagged("k1", "ciao");
    crate::console::desk::decide(&*store, &said).await;
    let decision = store.recent_decisions(1).await.unwrap().remove(0);
    let differences =
        vec![Difference { aspect: Aspect::Queue, live: "a".to_owned(), shadow: "-".to_owned() }];
    let comparison = Comparison {
        message_id: decision.message_id.clone(),
        conversation_id: "k1".to_owned(),
        decided_at: Utc::now(),
        live: "m p".to_owned(),
        shadow: "m q".to_owned(),
        live_rules: "r".to_owned(),
        shadow_rules: String::new(),
        differences,
    };
    let gone = Comparison { message_id: "gone".to_owned(), ..comparison.clone() };
    let same = Comparison { differences: Vec::new(), ..comparison.clone() };
    store.compare(&[comparison.clone(), gone, same]).await.unwrap();
    store.compare(std::slice::from_ref(&comparison)).await.unwrap();
    let pairings = store.pairings(5).await.unwrap();
    assert_eq!((pairings[0].compared, pairings[0].differing), (4, 3));
    assert_eq!(
        store.moved("m p", "m q", 5).await.unwrap()[0].count,
        1,
        "a message that is gone is only counted"
    );
    let found = store.differing("m p", "m q", None, 5).await.unwrap();
    assert_eq!(found[0].differences, comparison.differences);
    store.purge(Utc::now() + TimeDelta::days(2)).await.unwrap();
    assert!(store.pairings(5).await.unwrap().is_empty());
}
