//! The texts about erasing customers.

use super::operations::texts;

texts! {
    short: "Erasures", "Cancellazioni";
    title: "Customers to be erased", "Clienti da cancellare";
    none: "Nobody has asked for an erasure. It is asked for at the foot of a customer's timeline.", "Nessuno ha chiesto una cancellazione. Si chiede in fondo alla cronologia di un cliente.";
    how: "Run the command where smista is configured: it goes through the database and the queues, and the request goes with the customer. Add every address you know of them with --identity.", "Esegua il comando dove smista è configurato: passa per il database e le code, e la richiesta sparisce con il cliente. Aggiunga con --identity ogni indirizzo che ne conosce.";
    customer: "Customer", "Cliente";
    command: "Command", "Comando";
    withdraw: "Take back", "Ritira";
    reason: "Reason", "Motivo";
    asked: "Erasure was asked for", "È stata chiesta la cancellazione";
    ask: "Erase this customer…", "Cancella questo cliente…";
    ask_what: "An operator will erase everything kept of this customer, in every conversation: messages, decisions, notes. It cannot be undone.", "Un operatore cancellerà tutto ciò che è conservato di questo cliente, in ogni conversazione: messaggi, decisioni, note. Non si può annullare.";
    sure: "The customer has asked for it, or has a right to it", "Il cliente l'ha chiesto o ne ha diritto";
    ask_yes: "Ask for the erasure", "Chiedi la cancellazione";
}
