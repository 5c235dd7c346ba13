//! Custom intents as people use them: fit a file, show it, decide with it, measure it. The scripted engine stands in for
//! a model, whose sentence vectors are words in common.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const EXAMPLES: &str = "text,label
booking a test drive for saturday,test_drive
please arrange a test drive with the estate,test_drive
test drive of the estate please,test_drive
vorrei una prova su strada sabato,test_drive
prova su strada della familiare,test_drive
the ski pass got lost on the slope,ski_pass
lost ski pass at the lift,ski_pass
my ski pass is lost,ski_pass
ho perso lo skipass sulla pista,ski_pass
skipass perso alla seggiovia,ski_pass
meter reading for the gas supply,meter
here is the gas meter reading,meter
sending the meter reading of march,meter
autolettura del contatore del gas,meter
mando la lettura del contatore,meter
quantum entanglement explained briefly,other
recipe for mushroom risotto,other
";

fn smista(folder: &Path, args: &[&str]) -> Output {
    smista_on("scripted", folder, args)
}

fn smista_on(engine: &str, folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smista"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SMISTA_") {
            command.env_remove(name);
        }
    }
    command.env("SMISTA_ENGINE__KIND", engine).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.current_dir(folder).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A folder with the examples, fitted into `own`.
fn fitted() -> (tempfile::TempDir, Value) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("examples.csv"), EXAMPLES).unwrap();
    let report = json(&smista(
        dir.path(),
        &["intents", "fit", "--examples", "examples.csv", "--output", "own", "--json"],
    ));
    (dir, report)
}

fn names(decision: &Value) -> Vec<&str> {
    let intents = decision["analysis"]["intents"].as_array().unwrap();
    intents.iter().map(|intent| intent["name"].as_str().unwrap()).collect()
}

#[test]
fn examples_become_intents_of_decisions() {
    let (dir, report) = fitted();
    assert_eq!(report["labels"], serde_json::json!(["meter", "ski_pass", "test_drive"]));
    assert_eq!(report["figures"]["examples"], 15);
    assert_eq!(report["figures"]["outside_examples"], 2);
    let decide = |mode: Option<&str>, text: &str| {
        if let Some(mode) = mode {
            let settings = format!("[intents]\ncustom = \"own\"\nmode = \"{mode}\"\n");
            std::fs::write(dir.path().join("smista.toml"), settings).unwrap();
        }
        json(&smista(dir.path(), &["analyze", "--text", text]))
    };
    let plain = decide(None, "my ski pass is lost, cancel my order");
    let beside = decide(Some("beside"), "my ski pass is lost, cancel my order");
    assert_eq!(names(&beside)[0], "ski_pass");
    assert!(names(&beside).contains(&"order.cancel"), "{:?}", names(&beside));
    let instead = decide(Some("instead"), "my ski pass is lost, cancel my order");
    assert_eq!(names(&instead), ["ski_pass"]);
    assert_eq!(instead["analysis"]["sentiment"], plain["analysis"]["sentiment"]);
    assert_eq!(names(&decide(Some("instead"), "ho perso lo skipass"))[0], "ski_pass");
    // Words in common are all that the stand-in reads, so texts of other words alone may still be taken for an intent.
    for text in
        ["how do I reset my password", "my parcel never arrived", "non riesco ad accedere al mio account"]
    {
        let outside = decide(Some("instead"), text);
        assert_eq!(names(&outside), [] as [&str; 0], "{text}");
        assert_eq!(outside["analysis"]["abstained"], true, "{text}");
    }

    let version = |decision: &Value| decision["versions"]["model"].as_str().unwrap().to_owned();
    assert!(version(&instead).contains("+intents.instead@sha256:"), "{}", version(&instead));
    assert!(version(&beside).contains("+intents.beside@sha256:"), "{}", version(&beside));
    assert!(!version(&plain).contains("intents"));
}

#[test]
fn they_are_shown_and_measured() {
    let (dir, report) = fitted();
    let shown = json(&smista(dir.path(), &["intents", "show", "own", "--json"]));
    assert_eq!(shown["version"], report["version"]);
    assert!(text(&smista(dir.path(), &["intents", "show", "own"]).stdout).contains("ski_pass"));

    let held_out =
        "text,label\nlost my ski pass,ski_pass\ngas meter reading,meter\nnorthern lights tonight,oos\n";
    std::fs::write(dir.path().join("new.csv"), held_out).unwrap();
    let eval = ["eval", "--task", "intent", "--data", "new.csv", "--intents", "own", "--json"];
    let figures = json(&smista(dir.path(), &eval));
    assert_eq!(figures["accuracy"], 1.0, "{figures}");
    assert_eq!(figures["per_class"]["other"]["support"], 1);
    let other_task =
        smista(dir.path(), &["eval", "--task", "stage", "--data", "new.csv", "--intents", "own"]);
    assert_eq!(other_task.status.code(), Some(2));
}

#[test]
fn what_cannot_be_fitted_or_used_says_why() {
    let (dir, _) = fitted();
    std::fs::write(dir.path().join("bad.csv"), "text,label\nhello,a\nbye,a\nso long,b\n").unwrap();
    let bad = smista(dir.path(), &["intents", "fit", "--examples", "bad.csv", "--output", "x"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        text(&bad.stderr).contains("bad.csv, line 4: the label `b` has one example"),
        "{}",
        text(&bad.stderr)
    );
    assert!(!dir.path().join("x").exists(), "nothing is left behind");

    let manifest = dir.path().join("own/intents.toml");
    let good = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, good.replace("scripted@", "core@")).unwrap();
    std::fs::write(dir.path().join("smista.toml"), "[intents]\ncustom = \"own\"\n").unwrap();
    let refused = smista(dir.path(), &["analyze", "--text", "hello"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("smista intents fit"), "{}", text(&refused.stderr));
    let doctor = smista(dir.path(), &["doctor"]);
    assert!(
        text(&doctor.stdout).contains("the custom intents own cannot be used"),
        "{}",
        text(&doctor.stdout)
    );
}

/// Four intents of a car dealer and a utility, six texts of each, English and Italian half and half.
#[cfg(feature = "torch")]
const FEW: &str = "text,label
I would like to try the new estate on the road before deciding,test_drive
Can I book a test drive for Saturday morning?,test_drive
Is a test drive of the hybrid possible this week?,test_drive
Vorrei provare su strada la nuova familiare,test_drive
Posso prenotare una prova su strada per sabato?,test_drive
È possibile guidare l'ibrida prima di decidere?,test_drive
I lost my ski pass somewhere on the slope,ski_pass.lost
My lift pass fell out of my pocket and I cannot find it,ski_pass.lost
\"The ski pass is gone, can you block it and give me another one?\",ski_pass.lost
Ho perso lo skipass in pista,ski_pass.lost
Non trovo più il mio skipass giornaliero,ski_pass.lost
\"Mi è caduto lo skipass dalla seggiovia, potete bloccarlo?\",ski_pass.lost
Here is my gas meter reading for March: 04512,meter.reading
How do I send you the reading of my electricity meter?,meter.reading
The meter shows 18233 today,meter.reading
Vi comunico l'autolettura del gas: 04512,meter.reading
Come faccio a inviare la lettura del contatore della luce?,meter.reading
Il contatore oggi segna 18233,meter.reading
We would like to hire the hall for a wedding party,hall.hire
Is the big room free for a birthday on 12 June?,hall.hire
What does it take to rent your venue for a company dinner?,hall.hire
Vorremmo affittare la sala per un matrimonio,hall.hire
La sala grande è libera per un compleanno il 12 giugno?,hall.hire
Come si fa ad affittare il locale per una cena aziendale?,hall.hire
";

/// Two new texts of each, then texts about what customers write of otherwise.
#[cfg(feature = "torch")]
const NEW: &str = "text,label
Could I take the electric model for a spin on Friday?,test_drive
Mi fate provare il SUV su strada domani pomeriggio?,test_drive
My ski pass must have dropped on the red run,ski_pass.lost
Credo di aver smarrito lo skipass al rifugio,ski_pass.lost
I want to report the number on my water meter,meter.reading
Devo darvi i numeri del contatore del gas,meter.reading
Can we have our anniversary party in your hall?,hall.hire
Cerchiamo una sala in affitto per la festa di laurea,hall.hire
My parcel has not arrived yet,oos
Please cancel my subscription,oos
I was charged twice on the last invoice,oos
\"Thanks a lot, have a nice day!\",oos
Non riesco ad accedere al mio account,oos
Vorrei restituire le scarpe e avere il rimborso,oos
Che tempo fa domani a Torino?,oos
Il vostro operatore è stato scortese,oos
";

#[cfg(feature = "torch")]
#[test]
fn few_examples_tell_intents_and_what_is_none_of_them_with_the_pack() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("few.csv"), FEW).unwrap();
    std::fs::write(dir.path().join("new.csv"), NEW).unwrap();
    let pack = concat!(env!("CARGO_MANIFEST_DIR"), "/models/core");
    let fit = ["intents", "fit", "--examples", "few.csv", "--output", "own", "--pack", pack, "--json"];
    let report = json(&smista_on("torch", dir.path(), &fit));
    assert!(report["figures"]["generic_texts"].as_u64() > Some(200), "{report}");
    let eval =
        ["eval", "--task", "intent", "--data", "new.csv", "--intents", "own", "--pack", pack, "--json"];
    let figures = json(&smista_on("torch", dir.path(), &eval));
    let right = |label: &str| {
        let class = &figures["per_class"][label];
        class["recall"].as_f64().unwrap() * class["support"].as_f64().unwrap()
    };
    let inside: f64 =
        report["labels"].as_array().unwrap().iter().map(|label| right(label.as_str().unwrap())).sum();
    assert!(inside > 6.5, "{inside} of 8 inside: {figures} {report}");
    assert!(right("other") > 6.5, "{} of 8 outside: {figures} {report}", right("other"));
}
