//! Words that tell, in English and Italian: a promise of the contact centre, an end, a broken promise. Word lists, so
//! they are plain to read and to correct; each list is tried on one sentence at a time.

use std::sync::LazyLock;

use regex::RegexSet;

/// The contact centre says what it will do.
static PROMISES: &[&str] = &[
    // somebody of the contact centre … will … an act the customer waits for
    r"(?i)\b(?:we|i|they|he|she|someone|somebody|a|an|the|our|my|your|one of)\b[^.!?]{0,60}?(?:\bwill|['’]ll|\bshall|\b(?:am|are|is) going to)\b[^.!?]{0,40}?\b(?:call|ring|phone|contact|text|e-?mail|write|reply|answer|respond|get back|come back|be in touch|get in touch|send|post|ship|dispatch|refund|credit|reimburse|replace|exchange|deliver|collect|visit|fix|repair|resolve|sort|look into|check|investigate|follow up|arrange|book|update|escalate|let you know|inform|confirm|reactivate|restore|cancel)\b",
    r"(?i)\byou(?:['’]ll| will| should)\s+(?:receive|get|have|hear)\b",
    r"(?i)\b(?:will|['’]ll)\s+be\s+(?:refunded|credited|called|contacted|delivered|shipped|dispatched|sent|replaced|fixed|resolved|restored|with you)\b",
    // Italian: first and third person future of the same acts, with or without the pronoun
    r"(?i)\b(?:richiam|ricontatt|contatt|telefon|aggiorn|rimbors|accredit|conferm|comunic|verific|controll|sollecit|ripar|consegn|invi|mand|attiv|riattiv|prenot|organizz|annull|avvis|inform)(?:erò|ero'|erà|era'|eremo|eranno)\b",
    r"(?i)\b(?:risponder|risolver|sistemer|scriver|spedir|sostituir|provveder|ripristiner|riceverà|riceverai|riceverete|ritirer)(?:ò|o'|à|a'|emo|anno|ai|ete)?\b",
    r"(?i)\b(?:verrà|verra'|sarà|sara'|sarete|verrete|verrai|sarai)\s+(?:\w+\s+)?(?:richiamat|ricontattat|contattat|rimborsat|accreditat|spedit|consegnat|inviat|sostituit|riparat|risolt|ripristinat|aggiornat|avvisat)[oaie]\b",
    r"(?i)\b(?:farò|faremo|farà|faranno)\s+(?:sapere|richiamare|avere|contattare|spedire)\b",
    // said in the present, with a day: "La chiamo io domani"
    r"(?i)\b(?:la|le|vi|ti|lo|gliel[oaie])\s+(?:ri)?(?:chiamo|chiamiamo|contatto|contattiamo|telefono|telefoniamo|scrivo|scriviamo|mando|mandiamo|invio|inviamo|spedisco|spediamo|aggiorno|aggiorniamo|confermo|confermiamo|rimborso|rimborsiamo|faccio sapere|facciamo sapere)\b[^.!?]{0,30}\b(?:oggi|stasera|domani|dopodomani|entro|fra|tra|luned|marted|mercoled|gioved|venerd|sabato|domenica|settimana|subito)",
    r"(?i)\b(?:rimborso|accredito|pacco|ordine|ricambio|risposta|importo)\b[^.!?]{0,25}\b(?:arriverà|perverrà|arriveranno)\b|\b(?:le|ti|vi)\s+(?:arriverà|perverrà)\b",
    r"(?i)\b(?:avrà|avrete|avrai)\s+(?:una|un|la|il|nostre|notizie)\b[^.!?]{0,25}\b(?:rispost|notizi|rimbors|conferm|chiamat|telefonat|riscontr|soluzion)",
    r"(?i)\bI\s+promise\s+(?:to|that|you|I)\b|\b(?:you can\s+)?expect\s+(?:a|an|our|my|to|your)\b[^.!?]{0,20}\b(?:call|reply|answer|hear|e-?mail|letter|refund|delivery|visit|update)\b",
    r"(?i)\bpasserà\s+(?:un|il)\s+tecnico\b|\b(?:un|il)\s+tecnico\b[^.!?]{0,30}?\b(?:passerà|verrà|la\s+contatterà|arriverà)\b",
];

/// … unless it is denied, asked, or hangs on a condition.
static NOT_A_PROMISE: &[&str] = &[
    r"(?i)\b(?:will|shall|going to)\s+(?:not|never)\b|\bwon['’]t\b|\b(?:cannot|can['’]t|unable)\b",
    r"(?i)\bnon\s+(?:(?:la|le|lo|li|vi|ti|mi|ci|gliel[oaie]|sarà|verrà)\s+)*\w+(?:ò|à|emo|anno|t[oaie])\b",
    r"(?i)^\W*(?:if|unless|should you|se|qualora|nel caso)\b",
    r"\?\W*$",
];

/// It is done. Customers and contact centre.
static RESOLVED: &[&str] = &[
    r"(?i)\b(?:now|finally|all)\s+(?:work(?:s|ing)|fixed|sorted|solved|resolved|good|set|fine)\b|\bworks?\s+(?:again|now|perfectly|fine|great)\b|\bworking\s+(?:again|now|fine|perfectly)\b",
    r"(?i)\b(?:is|are|was|were|been|got|it['’]s|that['’]s)\s+(?:now\s+|all\s+|finally\s+|completely\s+|successfully\s+|already\s+)*(?:fixed|sorted(?: out)?|solved|resolved|restored|refunded|replaced|reactivated)\b",
    r"(?i)\b(?:solved|fixed|resolved|sorted)\s+(?:it|the (?:problem|issue)|my (?:problem|issue)|everything)\b|\b(?:problem|issue)\s+(?:solved|fixed|resolved|sorted)\b",
    r"(?i)\b(?:refund|replacement|package|parcel|order)\s+(?:has\s+)?(?:now\s+)?(?:arrived|came through|been (?:issued|processed|received))\b|\b(?:have|has|['’]ve)\s+(?:now\s+|already\s+)?(?:issued|processed)\s+(?:your|the|a)\s+(?:\w+\s+)?refund\b",
    r"(?i)\b(?:ora|adesso|finalmente)\s+(?:\w+\s+)?funziona(?:no)?\b|\bfunziona\s+(?:di nuovo|tutto|perfettamente|ora|adesso|benissimo)\b|\bè\s+tornat[oa]\s+(?:a funzionare|la linea|tutto)\b",
    r"(?i)\b(?:ho|hai|ha|abbiamo|avete|hanno|è stat[oa]|sono stat[ie]|tutto|problema|è|già)\s+(?:già\s+|ora\s+|finalmente\s+|tutto\s+)?(?:risolt|sistemat|ripristinat|rimborsat|riparat|sostituit)[oaie]\b|\btutto\s+(?:a posto|ok|risolto|sistemato)\b",
    r"(?i)\brimborso\s+(?:\w+\s+)?(?:arrivato|ricevuto|emesso|effettuato|accreditato)\b|\b(?:ho ricevuto|è arrivat[oa])\s+(?:il|la|l['’])\s*(?:rimborso|pacco|ordine|sostituzione)\b",
];

/// … unless it is denied, asked or still to come.
static NOT_RESOLVED: &[&str] = &[
    r"(?i)\b(?:not|never|isn['’]t|wasn['’]t|hasn['’]t|haven['’]t|aren['’]t|nothing|nobody|no one|without|until|still|unless|if|when|once|want|need|hope|please|should|must|was supposed|would|could|can you)\b",
    r"(?i)\b(?:non|mai|niente|nessuno|ancora|senza|finché|se|quando|appena|vorrei|voglio|spero|deve|dovete|potete|può|doveva)\b",
    r"\?\W*$",
    r"(?i)\b(?:marked|says?|told|risulta)\b",
    r"(?i)\b(?:was|were|worked|had been|ha funzionato|funzionava|era)\b[^.!?]{0,25}\b(?:for|per)\s+(?:\w+\s+)?(?:an?|one|two|three|a few|a couple of|some|\d+|un['’]?|una|due|tre|qualche|poch[ie])\s?(?:minut|hour|day|week|or[ae]\b|giorn|settiman)",
];

/// … or came back.
static RELAPSED: &[&str] = &[
    r"(?i)\b(?:went|gone|goes|going|dropped|cut|turned|switched)\s+(?:\w+\s+)?(?:off|down|out|dead|again)\b",
    r"(?i)\b(?:stopped|stops|broke|broken|breaks|failed|fails|died|crashed|crashes|disconnected|dropped)\b[^.!?]{0,30}\b(?:again|working|once more|already)\b|\bbroke(?:n)?\s+down\b",
    r"(?i)\b(?:then|but|now|and)\b[^.!?]{0,25}\b(?:stopped|broke|failed|died|crashed|is back|are back|came back|comes back|returned|same (?:problem|error|fault))\b",
    r"(?i)\b(?:problem|fault|error|issue|noise|leak)\b[^.!?]{0,15}\b(?:is|are|came|comes|has come)\s+back\b|\b(?:happen(?:ed|s|ing)|started|started up)\s+again\b",
    r"(?i)\b(?:poi|ma|e)\b[^.!?]{0,25}\b(?:si è (?:ri)?(?:bloccat|spent|rott|fermat|guastat|staccat)[oa]|è (?:ri)?(?:cadut|saltat|andat|mancat)[oa]|ha smesso|ha ripreso a)",
    r"(?i)\b(?:di nuovo|nuovamente|un['’]altra volta|daccapo)\s+(?:\w+\s+)?(?:rott|guast|ferm|bloccat|spent|giù|senza|cadut|saltat)|\b(?:è|sono)\s+(?:di nuovo|nuovamente)\s+(?:rott|guast|ferm|bloccat|spent|giù|senza|come prima)|\b(?:problema|guasto|errore)\b[^.!?]{0,15}\b(?:è tornat|si è ripresentat|si ripresenta|è ricomparso)",
];

/// … unless that is denied or asked.
static NOT_RELAPSED: &[&str] = &[
    r"(?i)\b(?:not|never|hasn['’]t|haven['’]t|doesn['’]t|didn['’]t|if|in case|until|since|because|when)\b",
    r"(?i)\b(?:non|mai|se|qualora|quando|perché|finché)\b",
    r"\?\W*$",
];

/// An agent says that what was asked for has been done.
static DONE_BY_AGENT: &[&str] = &[
    r"(?i)\b(?:order|booking|appointment|plan|subscription|address|request|change|reservation|upgrade)\b[^.!?]{0,20}\b(?:is|was|has been|have been)\s+(?:now\s+|successfully\s+)*(?:confirmed|placed|completed|changed|updated|upgraded|cancelled|canceled|activated|renewed|moved|booked)\b",
    r"(?i)\b(?:i|we)(?:\s+have|['’]ve)\s+(?:now\s+|just\s+|successfully\s+)*(?:placed|confirmed|changed|updated|upgraded|cancelled|canceled|activated|renewed|moved|booked)\b",
    r"(?i)\b(?:ordine|prenotazione|appuntamento|piano|abbonamento|indirizzo|richiesta|modifica|passaggio)\b[^.!?]{0,20}\b(?:è stat[oa]|è|risulta)\s+(?:ora\s+|già\s+)?(?:confermat|complet|modificat|cambiat|aggiornat|annullat|disdett|attivat|rinnovat|spostat|prenotat)[oa]",
    r"(?i)\b(?:ho|abbiamo)\s+(?:appena\s+|già\s+)?(?:confermato|modificato|cambiato|aggiornato|annullato|disdetto|attivato|rinnovato|spostato|prenotato)\b",
];

/// An agent closes the matter.
static CLOSING: &[&str] = &[
    r"(?i)\b(?:close|closing|closed)\s+(?:this|the|your|down this)\s+(?:ticket|case|request|conversation|enquiry|complaint|chat)\b|\b(?:ticket|case|request|enquiry)\s+(?:is|has been|will be)\s+(?:now\s+)?closed\b",
    r"(?i)\b(?:chiudo|chiudiamo|chiuderò|chiuso)\s+(?:la|il|questa|questo)\s+(?:segnalazione|pratica|ticket|richiesta|conversazione|caso)\b|\b(?:segnalazione|pratica|ticket|richiesta|caso)\s+(?:è|viene|verrà)\s+(?:stat[oa]\s+)?chius[oa]\b",
];

/// The customer no longer wants it.
static GIVEN_UP: &[&str] = &[
    r"(?i)\bnever\s*mind\b|\bforget (?:about )?it\b|\bno longer (?:need|want|necessary|interested)\b|\bdon['’]t (?:need|want) (?:it|this|that|help|an answer) any\s*more\b|\b(?:disregard|ignore) (?:my|this|the) (?:message|e-?mail|request|previous)\b",
    r"(?i)\b(?:lascia(?:te|mo)?|lasci)\s+(?:perdere|stare)\b|\bnon (?:importa|serve|mi serve|mi interessa|ne ho)\s+più\b|\bcome non detto\b|\bfa niente\b|\b(?:ignor(?:i|ate|a))\s+(?:il|la|questo|questa|pure)\b",
];

/// The customer says that a promise was not kept.
static UNKEPT: &[&str] = &[
    r"(?i)\b(?:nobody|no one|no-one|none of you|you never|they never|never|not one)\b[^.!?]{0,30}\b(?:call|rang|ring|phone|contact|wrote|repl|answer|respond|got back|get back)",
    r"(?i)\b(?:still|have|has|had)(?:\b[^.!?]{0,15}\b(?:not|no)\b|[^.!?]{0,15}n['’]t\b)[^.!?]{0,20}\b(?:called|been called|rung|contacted|heard (?:back|from|anything)|been refunded|got back|call ?back)",
    r"(?i)\b(?:promised?|told|assured|supposed)\b[^.!?]{0,60}\b(?:but|and)\b[^.!?]{0,30}(?:\b(?:never|nothing|nobody|no one|not)|n['’]t)\b",
    r"(?i)\bnessun[oa]?\b[^.!?]{0,25}\b(?:chiamat|richiamat|ricontattat|contattat|rispost|scritt|fatto viv|fatto sapere)",
    r"(?i)\bnon\b[^.!?]{0,20}\b(?:stat[oa] (?:ri)?(?:chiamat|contattat)|avete (?:ri)?(?:chiamat|contattat)|ha (?:ri)?(?:chiamat|contattat)|avete (?:mai )?(?:rispost|richiamat|ricontattat)|ho (?:ancora |mai |più )*(?:ricevuto|avuto) (?:\w+ )?(?:rispost|notizi|chiamat|telefonat)|ho (?:ancora |mai |più )*(?:saputo|sentito))",
    r"(?i)\b(?:promess|garantit|assicurat|detto)\w*\b[^.!?]{0,60}\b(?:ma|e|invece)\b[^.!?]{0,20}\b(?:nessun|niente|nulla|non|mai)\b",
];

/// The customer says that something has not come; whether anybody promised it, the words alone do not tell.
static MISSING: &[&str] = &[
    r"(?i)\b(?:nobody|no one|no-one|none|never|not one)\b[^.!?]{0,30}\b(?:came|come|show|turned up|arrived|reached)",
    r"(?i)\b(?:still|have|has|had|did)(?:\b[^.!?]{0,15}\b(?:not|no)\b|[^.!?]{0,15}n['’]t\b)[^.!?]{0,20}\b(?:received|arrived?|come|turn(?:ed)? up|show(?:n|ed)? up|got (?:it|my|the))\b",
    r"(?i)\bnessun[oa]?\b[^.!?]{0,25}\b(?:venut|passat|presentat|arrivat)",
    r"(?i)\bnon\b[^.!?]{0,20}\b(?:ho (?:ancora |mai |più )*(?:ricevuto|avuto)|(?:mi )?(?:è|sono) (?:ancora |mai )*(?:arrivat|venut|passat))",
];

/// The customer speaks of a promise in so many words.
static OF_PROMISE: &[&str] = &[
    r"(?i)\b(?:promis|you (?:said|told)|told me|was told|assured|guaranteed|supposed to|agreed)",
    r"(?i)\b(?:promess|promett|garantit|assicurat|mi (?:avete|avevate|hanno|avevano|ha|aveva) detto|dovevate|dovevano|doveva|avreste|avrebbe dovuto|come d['’]accordo)",
];

/// The customer says that somebody did come or call.
static FULFILLED: &[&str] = &[
    r"(?i)\b(?:engineer|technician|plumber|colleague|somebody|someone|courier|you|they|he|she)\s+(?:has\s+|have\s+|['’]ve\s+)?(?:just\s+|now\s+|already\s+|finally\s+)?(?:came|come|called|rang|rung|phoned|contacted me|got back|replied|answered|wrote|visited|has been)\b",
    r"(?i)\b(?:tecnico|collega|idraulico|corriere|operatore|operatrice|qualcuno)\s+(?:\w+\s+)?(?:è\s+(?:già\s+|finalmente\s+)?(?:venut|passat|arrivat)|mi\s+ha\s+(?:già\s+|poi\s+)?(?:chiamat|richiamat|contattat|ricontattat|telefonat|scritt|rispost))|\bmi\s+avete\s+(?:già\s+|poi\s+|finalmente\s+)?(?:chiamat|richiamat|contattat|ricontattat|telefonat|scritt|rispost)",
];

/// … unless it is denied, asked, or was something else.
static NOT_FULFILLED: &[&str] = &[
    r"(?i)\b(?:not|never|nobody|no one|n['’]t|without|if|when|should|would|until|late|rude)\b|n['’]t\b",
    r"(?i)\b(?:non|mai|nessuno|senza|se|quando|doveva|dovrebbe|ritardo|maleducat)\b",
    r"\?\W*$",
];

struct Cues {
    are: RegexSet,
    unless: RegexSet,
}

impl Cues {
    fn new(are: &[&str], unless: &[&str]) -> Self {
        // A pattern that does not compile leaves its set empty, which the test below refuses.
        let set = |patterns: &[&str]| RegexSet::new(patterns).unwrap_or_default();
        Self { are: set(are), unless: set(unless) }
    }

    fn found(&self, sentence: &str) -> bool {
        self.are.is_match(sentence) && !self.unless.is_match(sentence)
    }
}

static PROMISE: LazyLock<Cues> = LazyLock::new(|| Cues::new(PROMISES, NOT_A_PROMISE));
static DONE: LazyLock<Cues> = LazyLock::new(|| Cues::new(RESOLVED, NOT_RESOLVED));
static BACK: LazyLock<Cues> = LazyLock::new(|| Cues::new(RELAPSED, NOT_RELAPSED));
static DONE_FOR: LazyLock<Cues> = LazyLock::new(|| Cues::new(DONE_BY_AGENT, NOT_RESOLVED));
static CLOSED: LazyLock<Cues> = LazyLock::new(|| Cues::new(CLOSING, &[r"\?\W*$"]));
static ENDED: LazyLock<Cues> = LazyLock::new(|| Cues::new(GIVEN_UP, &[]));
static ABSENT: LazyLock<Cues> = LazyLock::new(|| Cues::new(MISSING, &[]));
static NAMED: LazyLock<Cues> = LazyLock::new(|| Cues::new(OF_PROMISE, &[]));
static CAME: LazyLock<Cues> = LazyLock::new(|| Cues::new(FULFILLED, NOT_FULFILLED));
static BROKEN: LazyLock<Cues> = LazyLock::new(|| Cues::new(UNKEPT, &[]));

/// Whether a sentence of the contact centre promises something.
pub(super) fn promises(sentence: &str) -> bool {
    PROMISE.found(sentence)
}

/// Whether a sentence says that it is done, and not that it came back after that.
pub(super) fn resolved(sentence: &str) -> bool {
    if !DONE.found(sentence) {
        return false;
    }
    let clauses: Vec<&str> = clauses(sentence).collect();
    let back = clauses.iter().rposition(|clause| BACK.found(clause));
    let done = clauses.iter().rposition(|clause| DONE.are.is_match(clause));
    back.is_none_or(|back| done.is_some_and(|done| done > back))
}

/// The parts of a sentence, each from the comma or the word that joins it to what was before.
fn clauses(sentence: &str) -> impl Iterator<Item = &str> {
    static JOINTS: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new(r"(?i)[,;:–—]|\b(?:but|then|however|ma|poi|però)\b").ok());
    let starts = JOINTS.as_ref().into_iter().flat_map(|joints| joints.find_iter(sentence));
    let mut starts: Vec<usize> = starts.map(|joint| joint.start()).collect();
    starts.push(sentence.len());
    let mut from = 0;
    starts.into_iter().map(move |to| {
        let clause = sentence.get(from..to).unwrap_or_default();
        from = to;
        clause
    })
}

/// Whether a sentence says that what was done did not last.
pub(super) fn relapsed(sentence: &str) -> bool {
    BACK.found(sentence)
}

/// Whether a sentence of the contact centre says that it is done.
pub(super) fn done(sentence: &str) -> bool {
    resolved(sentence) || DONE_FOR.found(sentence)
}

/// Whether a sentence of the contact centre closes the matter.
pub(super) fn closing(sentence: &str) -> bool {
    CLOSED.found(sentence)
}

/// Whether a sentence of the customer withdraws what was wanted.
pub(super) fn gives_up(sentence: &str) -> bool {
    ENDED.found(sentence)
}

/// Whether a sentence of the customer says that a promise was not kept.
pub(super) fn unkept(sentence: &str) -> bool {
    BROKEN.found(sentence)
}

/// Whether a sentence of the customer says that something has not come.
pub(super) fn missing(sentence: &str) -> bool {
    ABSENT.found(sentence)
}

/// Whether a sentence of the customer speaks of a promise.
pub(super) fn speaks_of_promise(sentence: &str) -> bool {
    NAMED.found(sentence)
}

/// Whether a sentence of the customer says that somebody came or called.
pub(super) fn fulfilled(sentence: &str) -> bool {
    CAME.found(sentence)
}

/// The sentences of a text, trimmed, none empty. Lines end sentences too; a full stop inside a number does not.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| {
            let mut rest = line;
            std::iter::from_fn(move || {
                if rest.is_empty() {
                    return None;
                }
                let end = rest
                    .char_indices()
                    .find(|(at, c)| {
                        matches!(c, '.' | '!' | '?' | '…')
                            && rest[at + c.len_utf8()..].chars().next().is_none_or(char::is_whitespace)
                    })
                    .map_or(rest.len(), |(at, c)| at + c.len_utf8());
                let (sentence, after) = rest.split_at(end);
                rest = after;
                Some(sentence.trim())
            })
        })
        .filter(|sentence| !sentence.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(what: fn(&str) -> bool, yes: &[&str], no: &[&str]) {
        let is = |text: &&str| sentences(text).any(what);
        let missed: Vec<_> = yes.iter().filter(|text| !is(text)).collect();
        let wrong: Vec<_> = no.iter().filter(|text| is(text)).collect();
        assert!(missed.is_empty() && wrong.is_empty(), "missed {missed:#?}, wrongly found {wrong:#?}");
    }

    #[test]
    fn every_pattern_compiles() {
        for list in [
            PROMISES,
            NOT_A_PROMISE,
            RESOLVED,
            NOT_RESOLVED,
            RELAPSED,
            NOT_RELAPSED,
            DONE_BY_AGENT,
            CLOSING,
            GIVEN_UP,
            UNKEPT,
            MISSING,
            OF_PROMISE,
            FULFILLED,
            NOT_FULFILLED,
        ] {
            for pattern in list {
                assert!(regex::Regex::new(pattern).is_ok(), "{pattern}");
            }
            assert_eq!(RegexSet::new(list).unwrap().len(), list.len());
        }
    }

    #[test]
    fn promises_of_the_contact_centre() {
        check(
            promises,
            &[
                "We will call you back tomorrow.",
                "I understand. A colleague will ring you tomorrow morning.",
                "I'll send you the form today",
                "We’ll refund the amount within five days.",
                "Our technician is going to visit you on Friday.",
                "You will receive a confirmation by e-mail.",
                "Your parcel will be delivered on Monday.",
                "One of my colleagues will get back to you.",
                "La richiameremo entro domani.",
                "Un collega la ricontatterà domani mattina.",
                "Le invieremo il modulo oggi stesso.",
                "Riceverà un rimborso entro cinque giorni.",
                "Verrà richiamato entro le 18.",
                "Le faremo sapere al più presto.",
                "Domani passerà un tecnico.",
                "Provvederemo alla sostituzione.",
                "Ti risponderemo entro lunedì.",
                "La chiamo io domani.",
                "Il rimborso le arriverà entro venerdì.",
                "Avrà una risposta entro domani.",
                "I promise to call you on Monday.",
                "Expect a call tomorrow.",
            ],
            &[
                "We will not refund the amount.",
                "If it happens again we will replace it.",
                "Will you call me back?",
                "Shall we call you tomorrow?",
                "How can I help you today?",
                "I will be happy to help.",
                "Non la richiameremo.",
                "Se succede ancora lo sostituiremo.",
                "Come posso aiutarla?",
                "Grazie per averci contattato.",
                "Thank you for your call.",
            ],
        );
    }

    #[test]
    fn ends() {
        check(
            resolved,
            &[
                "It works again, thank you!",
                "The problem has been resolved.",
                "All sorted now.",
                "Finally working. Thanks.",
                "We have issued your refund.",
                "My refund has arrived.",
                "Ora funziona, grazie!",
                "Avete risolto il problema.",
                "Il guasto è stato riparato.",
                "Tutto a posto, grazie.",
                "Ho ricevuto il rimborso.",
                "It has been working again for two days, thank you.",
                "Funziona di nuovo da due giorni.",
                "It stopped working again yesterday, but now it is fixed.",
            ],
            &[
                "The internet was working again for an hour, then it went off.",
                "It was working again for a couple of days.",
                "Funziona di nuovo, ma poi si è bloccato.",
                "It works again but now the same problem is back.",
                "It still is not fixed.",
                "I want this resolved today.",
                "When will it be fixed?",
                "Nothing works.",
                "The case was marked as resolved although it does nothing.",
                "Non avete risolto niente.",
                "Non funziona ancora.",
                "Vorrei che fosse risolto.",
                "È stato risolto?",
            ],
        );
        check(
            relapsed,
            &[
                "Then it went off again.",
                "An hour later it stopped working.",
                "The fault is back.",
                "It happened again this morning.",
                "Ma stamattina si è spento.",
                "È di nuovo bloccato.",
                "Il problema si è ripresentato.",
            ],
            &[
                "It has not happened again.",
                "When it stopped working I called you.",
                "Non si è più bloccato.",
                "What if it happens again?",
                "The router came back from repair.",
            ],
        );
        check(
            gives_up,
            &[
                "Never mind, I found it.",
                "I no longer need the second one.",
                "Lasciate perdere.",
                "Non mi serve più.",
            ],
            &["I mind a lot.", "I need it.", "Mi serve subito.", "I will never forget this."],
        );
    }

    #[test]
    fn broken_promises() {
        check(
            unkept,
            &[
                "Nobody called me back.",
                "You never replied to my e-mail.",
                "I still haven't heard back from you.",
                "They promised a call on Tuesday but nothing happened.",
                "Nessuno mi ha richiamato.",
                "Non sono stata ricontattata.",
                "Mi avevate promesso una telefonata ma niente.",
                "Non ho ancora ricevuto nessuna risposta.",
            ],
            &[
                "Thank you for calling me back.",
                "Please call me.",
                "Grazie per avermi richiamato.",
                "Vorrei essere richiamato.",
                "Can you promise me a refund?",
            ],
        );
    }

    #[test]
    fn what_has_not_come_and_what_has() {
        check(
            missing,
            &[
                "My parcel never came.",
                "I have not received a confirmation.",
                "The engineer didn't turn up.",
                "Il pacco non è ancora arrivato.",
                "Non ho ricevuto il rimborso.",
                "Il tecnico non è mai venuto.",
            ],
            &["The parcel has arrived.", "Nobody called me back.", "Il rimborso è arrivato."],
        );
        check(
            fulfilled,
            &[
                "The engineer came.",
                "You called me back, thanks.",
                "È venuto il tecnico e il tecnico è passato ieri.",
                "Mi avete richiamato, grazie.",
                "Un collega mi ha richiamato.",
            ],
            &[
                "The engineer never came.",
                "Nobody called.",
                "Non mi avete richiamato.",
                "Mi avete richiamato?",
                "When they called I was out.",
            ],
        );
        check(
            speaks_of_promise,
            &["You promised a call.", "Mi avevate detto entro venerdì.", "I was told it would be today."],
            &["I have not received a confirmation.", "Nessuno mi ha chiamato."],
        );
    }

    #[test]
    fn splitting() {
        let split: Vec<&str> = sentences("Pay 12.50 now. Then wait!\nBye… ok").collect();
        assert_eq!(split, ["Pay 12.50 now.", "Then wait!", "Bye…", "ok"]);
    }
}
