//! Disguises: what people write to get a number past a filter, or write so by accident, and what only looks like it.

use super::super::normalise::normalise;
use super::{redact, redact_name, redact_together, redact_url};

fn clean(text: &str) -> String {
    redact(&normalise(text))
}

#[track_caller]
fn check(given: &str, wanted: &str) {
    let got = clean(given);
    assert_eq!(got, wanted, "{given:?}");
    assert_eq!(clean(&got), got, "twice: {given:?}");
}

#[track_caller]
fn stays(text: &str) {
    assert_eq!(clean(text), text);
}

#[test]
fn addresses_spelled_by_half() {
    check("a.b at example.org", "[EMAIL]");
    check("write to mario_rossi at posta.example.it please", "write to [EMAIL] please");
    check("my email is mario at example.org", "my email is [EMAIL]");
    check("mail: mario at example.org.", "mail: [EMAIL].");
    check("mario at gmail.com", "[EMAIL]");
    check("mario@example。org", "[EMAIL]");
    check("mario@example｡org", "[EMAIL]");
    check("scrivi a mario@localhost grazie", "scrivi a [EMAIL] grazie");
    check("mario·rossi@example·org", "[EMAIL]");
    for text in [
        "I bought it at example.org",
        "see you at acme.com",
        "version 2.1 at acme.com",
        "3 pezzi@5 euro",
        "look at example.org",
        "the mail was sent at 10.30",
        "il conto è da 2@5",
    ] {
        stays(text);
    }
}

#[test]
fn telephones() {
    check("wa.me/393401234567", "wa.me/[PHONE]");
    check("https://wa.me/393401234567?text=ciao", "https://wa.me/[PHONE]?text=ciao");
    check("393401234567", "[PHONE]");
    check("cliente Mario Rossi 3401234567", "cliente Mario Rossi [PHONE]");
    check("cliente mario rossi: 340 1234567", "cliente mario rossi: [PHONE]");
    check("⑶⑷⑴ ⒈⒉⒊⒋⒌⒍⒎", "[PHONE]");
    for text in [
        "cliente 3401234567",
        "codice cliente: 3401234567",
        "cliente n. 3401234567",
        "customer number 3401234567",
        "ordine cliente 3401234567",
        "ordine 393401234567",
        "codice articolo 393401234567",
    ] {
        stays(text);
    }
}

#[test]
fn cards() {
    check("card 4111%201111%201111%201111 ok", "card [CARD] ok");
    check("4111%2520-1111%25201111%25201111", "[CARD]");
    check("41111111111111115500005555555559", "[CARD]");
    check("4111**1111**1111**1111", "[CARD]");
    check("**4111** **1111** **1111** **1111**", "**[CARD]**");
    check("⑷⑴⑴⑴ ⒈⒈⒈⒈ ❶❶❶❶ ①①①①", "[CARD]");
    check("4111 ; 1111 ; 1111 ; 1111", "[CARD]");
    for text in [
        "sconto 10%20 pezzi",
        "100%25 sicuro",
        "tracking 00340434161094042557",
        "EAN 8012345678901 e 8012345678918",
        "**10** **20** **30**",
        "12345678901234567890123456789012",
    ] {
        stays(text);
    }
}

#[test]
fn ibans_and_tax_codes() {
    for gap in ["·", " · ", "|", " | ", "•", "**", "; "] {
        let iban = ["IT60", "X054", "2811", "1010", "0000", "0123", "456"].join(gap);
        check(&format!("ecco {iban} ok"), "ecco [IBAN] ok");
        let code = ["RSS", "MRA", "85T10", "A562S"].join(gap);
        check(&format!("ecco {code} ok"), "ecco [TAX_CODE] ok");
    }
    check("ibanIT60X0542811101000000123456", "iban[IBAN]");
    check("IВAN IТ60Х0542811101000000123456", "IBAN [IBAN]");
    check("ІТ60 Х054 2811 1010 0000 0123 456", "[IBAN]");
    check("cfRSSMRA85T10A562Sok", "cf[TAX_CODE]ok");
    check("RSSMRА85Т10А562S", "[TAX_CODE]");
    check("RSS, MRA, 85T10, A562S", "[TAX_CODE]");
    check("codice fiscale 00743110157", "codice fiscale [TAX_CODE]");
    check("C.F. 007 431 101 57", "C.F. [TAX_CODE]");
    for text in [
        "ordine 00743110157",
        "SKU RSSMRA85T10A562X9",
        "articolo IT60X05",
        "ABIT60X0542811101000000123457",
        "спасибо, Мария, до 10.30",
    ] {
        stays(text);
    }
}

#[test]
fn names_of_files_and_addresses_of_the_web() {
    for (name, wanted) in [
        ("tel3401234567.pdf", "tel [PHONE].pdf"),
        ("carta4111111111111111fronte.jpg", "carta [CARD] fronte.jpg"),
        ("bonificoIT60X0542811101000000123456.pdf", "bonifico[IBAN].pdf"),
        ("documentoRSSMRA85T10A562S.pdf", "documento[TAX_CODE].pdf"),
        ("IMG_20241205_101112.jpg", "IMG_20241205_101112.jpg"),
        ("ORD3401234567.pdf", "ORD3401234567.pdf"),
        ("fattura 2024-118.pdf", "fattura 2024-118.pdf"),
    ] {
        assert_eq!(redact_name(&normalise(name)), wanted);
    }
    for (url, wanted) in [
        ("https://files.example/mario%2540example.org/x", "https://files.example/[EMAIL]/x"),
        ("https://mario.rossi%2540example.org/x", "https://[EMAIL]/x"),
        ("https://wa.me/393401234567", "https://wa.me/[PHONE]"),
        ("https://files.example:8443/a?n=1", "https://files.example:8443/a?n=1"),
    ] {
        assert_eq!(redact_url(url), wanted);
    }
    check("vedi https://x.example/?m=mario%2540example.org", "vedi https://x.example/?m=[EMAIL]");
}

#[test]
fn answers_to_who_asks_for_a_secret() {
    let check = |parts: &[&str], wanted: &[&str]| {
        let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        redact_together(&mut parts);
        assert_eq!(parts, wanted);
    };
    check(&["Can you tell me your PIN?", "4821"], &["Can you tell me your PIN?", "[SECRET]"]);
    check(
        &["Mi dica il codice di verifica.", "un attimo", "è 482 913, grazie"],
        &["Mi dica il codice di verifica.", "un attimo", "è [SECRET], grazie"],
    );
    check(&["And the PIN please", "four eight two one"], &["And the PIN please", "[SECRET]"]);
    check(&["What is the password?", "Sunshine42!"], &["What is the password?", "[SECRET]!"]);
    check(&["Qual è la password?", "è girasole"], &["Qual è la password?", "è [SECRET]"]);
    for parts in [
        ["Never tell anybody your PIN. What is your order number?", "48213"],
        ["Did you get the PIN?", "no, my order 48213 is late"],
        ["What is the password?", "I don't know"],
        ["What is your order number?", "48213"],
        ["Qual è la password?", "è sbagliata"],
    ] {
        check(&parts, &parts);
    }
}
