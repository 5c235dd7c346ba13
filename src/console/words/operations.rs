//! The texts of the pages about the workers.

macro_rules! texts {
    ($($name:ident: $en:literal, $it:literal;)+) => {
        /// Texts, named for what they say in English.
        #[derive(Debug)]
        pub struct Words {
            $(#[doc = concat!("`", stringify!($name), "`")] pub $name: &'static str,)+
        }

        pub(super) static EN: Words = Words { $($name: $en),+ };
        pub(super) static IT: Words = Words { $($name: $it),+ };

        #[cfg(test)]
        #[test]
        fn both_languages_say_everything_and_not_the_same() {
            for (name, en, it) in [$((stringify!($name), $en, $it)),+] {
                assert!(!en.is_empty() && !it.is_empty() && en != it, "{name}: {en}");
            }
        }
    };
}

pub(super) use texts;

texts! {
    title: "Operations", "Esercizio";
    at_work: "At a glance", "In breve";
    decided: "Decided in the last hour", "Decise nell'ultima ora";
    per_minute: "per minute on average", "al minuto in media";
    half_within: "Latency, median", "Latenza, mediana";
    most_within: "Latency, 95th percentile", "Latenza, 95º percentile";
    nothing_decided: "Nothing was decided in the last hour.", "Nell'ultima ora non è stato deciso nulla.";
    decisions_chart: "Decisions per minute", "Decisioni al minuto";
    latency_chart: "Latency per minute, 95th percentile", "Latenza al minuto, 95º percentile";
    latency_how: "Latency: from sent to decided, in classes, so each value is an upper bound. A message sent long ago and read now counts as long.", "Latenza: dall'invio alla decisione, in classi: ogni valore è un limite superiore. Un messaggio inviato tempo fa e letto ora conta per intero.";
    as_table: "As a table", "Come tabella";
    minute: "Minute (UTC)", "Minuto (UTC)";
    count: "Decisions", "Decisioni";
    median: "Median", "Mediana";
    p95: "95th percentile", "95º percentile";
    state: "State", "Stato";
    fine: "fine", "a posto";
    unsent: "Waiting to be published", "Da pubblicare";
    unsent_since: "the oldest since", "il più vecchio da";
    without_model: "Latest decisions made without the model", "Ultime decisioni prese senza il modello";
    of: "of", "su";
    customers: "Customers", "Clienti";
    messages: "Messages kept", "Messaggi conservati";
    workers: "Workers", "Worker";
    no_workers: "No worker is on the list. Workers enter it when there is more than one input queue; with one, its consumers tell.", "Nessun worker in elenco. I worker vi entrano quando le code d'ingresso sono più d'una; con una sola, contano i suoi consumatori.";
    worker: "Worker", "Nome";
    team: "Team", "Gruppo";
    subscriptions: "Subscriptions", "Sottoscrizioni";
    life: "Sign of life", "Segno di vita";
    lives: "lives", "attivo";
    unknown: "looked at just now; load again", "visto solo ora; ricarichi";
    silent: "silent for", "in silenzio da";
    queues: "Queues", "Code";
    queue: "Queue", "Coda";
    waiting: "Waiting", "In attesa";
    consumers: "Consumers", "Consumatori";
    absent: "not there", "assente";
    stuck: "nobody reads it", "nessuno la legge";
    no_broker: "This console has no broker, so nothing is told of queues and parked messages.", "Questa console non ha un broker: di code e messaggi parcheggiati non si sa nulla.";
    broker_away: "RabbitMQ does not answer, so nothing is told of queues and parked messages. Nothing was changed.", "RabbitMQ non risponde: di code e messaggi parcheggiati non si sa nulla. Non è cambiato nulla.";
    parked: "Parked messages", "Messaggi parcheggiati";
    parked_none: "Nothing is parked.", "Nessun messaggio parcheggiato.";
    parked_look: "Look at them", "Li guardi";
    parked_some: "The oldest are shown; deal with them and the next ones come, or use smista parked.", "Sono mostrati i più vecchi; sistemati questi arrivano gli altri, oppure usi smista parked.";
    choose: "Choose", "Scelga";
    id: "Message", "Messaggio";
    age: "Parked", "Parcheggiato";
    class: "Kind", "Tipo";
    error: "Error", "Errore";
    origin: "From", "Da";
    bytes: "Bytes", "Byte";
    attempt: "Deliveries", "Consegne";
    version: "Version", "Versione";
    routing_key: "Routing key", "Chiave di instradamento";
    body: "What was sent, redacted", "Ciò che è stato inviato, oscurato";
    replay: "Replay", "Rimanda";
    replay_how: "sends them to the workers again", "li rimanda ai worker";
    discard: "Discard…", "Elimina…";
    discard_how: "removes them for good; you are asked first", "li elimina per sempre; prima viene chiesta conferma";
    discard_sure: "Discard these for good?", "Eliminare questi per sempre?";
    discard_what: "Nobody will read them after that. What customers wrote in them is lost.", "Dopo nessuno li leggerà. Ciò che i clienti vi hanno scritto va perso.";
    discard_yes: "Discard for good", "Elimina per sempre";
    keep: "Keep them", "Li tenga";
    nothing_chosen: "Choose at least one message.", "Scelga almeno un messaggio.";
    replayed: "Replayed:", "Rimandati:";
    discarded: "Discarded:", "Eliminati:";
    not_found: "Not parked any more:", "Non più parcheggiati:";
    ended_early: "It ended early:", "Si è fermato prima della fine:";
    log_title: "What operators did", "Che cosa hanno fatto gli operatori";
    log_none: "Nothing yet.", "Ancora nulla.";
    act: "Act", "Azione";
    target: "With", "Con";
    act_show: "looked at the parked message", "ha guardato il messaggio parcheggiato";
    act_replay: "replayed", "ha rimandato";
    act_discard: "discarded", "ha eliminato";
    act_withdraw: "took back the erasure asked for from", "ha ritirato la richiesta di cancellazione fatta da";
    act_simulate: "tried out the policy", "ha provato la policy";
}
