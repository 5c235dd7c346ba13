//! The texts of the pages of maps.

use super::operations::texts;

texts! {
    title: "Maps", "Mappe";
    journey_map: "Journey map", "Mappa del percorso";
    measure: "Figure", "Misura";
    range: "Span", "Periodo";
    range_day: "the last 24 hours", "ultime 24 ore";
    range_week: "the last 7 days", "ultimi 7 giorni";
    range_month: "the last 30 days", "ultimi 30 giorni";
    range_quarter: "the last 90 days", "ultimi 90 giorni";
    range_year: "the last 365 days", "ultimi 365 giorni";
    since: "Or from (UTC)", "Oppure dal (UTC)";
    until: "Up to, left out", "Fino al, escluso";
    wrong_range: "There is no such span; choose one from the list.", "Questo periodo non esiste; ne scelga uno dall'elenco.";
    wrong_since: "The first day is no day. Write it as 2026-05-14.", "Il primo giorno non è una data. La scriva come 2026-05-14.";
    wrong_until: "The last day is no day. Write it as 2026-05-14.", "L'ultimo giorno non è una data. La scriva come 2026-05-14.";
    wrong_empty: "The span is empty: it has to begin before it ends.", "Il periodo è vuoto: deve cominciare prima di finire.";
    wrong_channel: "There is no such channel; choose one from the list.", "Questo canale non esiste; ne scelga uno dall'elenco.";
    wrong_language: "A language is a code of two or three letters, such as en.", "Una lingua è un codice di due o tre lettere, come it.";
    wrong_measure: "There is no such figure; choose one from the list.", "Questa misura non esiste; ne scelga una dall'elenco.";
    made_at: "made", "calcolata";
    is_cut: "The span has more messages than a map is made of. It shows the latest", "Il periodo ha più messaggi di quanti una mappa ne conti. Mostra gli ultimi";
    is_cut_since: "and so begins on", "e quindi comincia il";
    unmapped: "messages were decided before there was a map: smista console index takes them in.", "messaggi sono stati decisi prima che ci fosse una mappa: smista console index li aggiunge.";
    nothing: "No contacts in this span", "Nessun contatto in questo periodo";
    nothing_why: "Nobody wrote, or the filters leave nobody. Try a longer span.", "Nessuno ha scritto, oppure i filtri non lasciano nessuno. Provi un periodo più lungo.";
    contacts: "Contacts", "Contatti";
    contacts_how: "messages in the customer's own words.", "messaggi con parole del cliente.";
    sentiment: "Mean sentiment", "Sentiment medio";
    sentiment_how: "from −1 to 1.", "da −1 a 1.";
    effort: "Mean effort", "Sforzo medio";
    effort_how: "how hard it was for the customer, from 0 to 1.", "quanta fatica ha fatto il cliente, da 0 a 1.";
    drop_off: "Drop-off", "Abbandono";
    drop_off_how: "of the customers with a contact here, those whose last one is here and leaves something open.", "dei clienti con un contatto qui, quelli il cui ultimo è qui e lascia qualcosa di aperto.";
    repeat: "Repeat rate", "Tasso di ritorno";
    repeat_how: "of the contacts, those that bring the same problem again.", "dei contatti, quelli che riportano lo stesso problema.";
    resolution: "First-contact resolution", "Risoluzione al primo contatto";
    resolution_how: "of the conversations that bring something new, those that settle it.", "delle conversazioni che portano qualcosa di nuovo, quelle che lo risolvono.";
    journeys: "Customers", "Clienti";
    first_contacts: "First contacts", "Primi contatti";
    all: "all", "tutti";
    no_stage: "not placed", "non collocato";
    to_queue: "To the review queue", "Alla coda di revisione";
    legend: "What the colours stand for", "Che cosa indicano i colori";
    few: "A dash: fewer than five to tell from.", "Un trattino: meno di cinque, troppo pochi per dirlo.";
    cell_leads: "A cell leads to the conversations of the review queue that stand there now, whenever they were sent.", "Una cella porta alle conversazioni della coda di revisione che ora si trovano lì, in qualunque momento inviate.";
    all_figures: "All figures as a table", "Tutte le misure in una tabella";
}
