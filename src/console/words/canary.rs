//! The texts of the page about the canary.

use super::operations::texts;

texts! {
    title: "Canary", "Prova in ombra";
    how: "A second policy or pack decides the same messages in the shadow; nothing of it is published. canary.policy and canary.pack in the workers' configuration name it.", "Una seconda policy o un secondo modello decide gli stessi messaggi nell'ombra; nulla ne viene pubblicato. Lo indicano canary.policy e canary.pack nella configurazione dei worker.";
    nothing: "Nothing has been compared", "Non è stato confrontato nulla";
    nothing_why: "Name a policy in canary.policy or a pack in canary.pack of the workers' configuration and start them anew.", "Indichi una policy in canary.policy o un modello in canary.pack nella configurazione dei worker e li riavvii.";
    pair: "In force → in the shadow", "In vigore → nell'ombra";
    aspect: "Differs in", "Differisce in";
    live: "In force", "In vigore";
    shadow: "In the shadow", "Nell'ombra";
    compared: "Decisions compared", "Decisioni confrontate";
    differing: "Different", "Diverse";
    span: "Hours", "Ore";
    ways: "What would change", "Che cosa cambierebbe";
    moves_cut: "The commonest are shown, at most", "Sono mostrati i più comuni, al massimo";
    count: "Decisions", "Decisioni";
    none: "No difference.", "Nessuna differenza.";
    messages: "On which messages", "Su quali messaggi";
    messages_cut: "The latest are shown, at most", "Sono mostrati gli ultimi, al massimo";
    decided: "Decided", "Deciso";
    differs_in: "Differences", "Differenze";
    rules: "Rules", "Regole";
    action: "Action", "Azione";
    queue: "Queue", "Coda";
    priority: "Priority", "Priorità";
    flags: "Flags", "Segnalazioni";
    intent: "Intent", "Intento";
    stage: "Stage", "Fase";
    sentiment: "Sentiment", "Sentiment espresso";
}
