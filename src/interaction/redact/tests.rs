use proptest::prelude::*;

use super::super::normalise::normalise;
use super::*;

/// The way text comes to redaction.
fn clean(text: &str) -> String {
    redact(&normalise(text))
}

fn check(given: &str, wanted: &str) {
    let got = clean(given);
    assert_eq!(got, wanted, "{given:?}");
    assert_eq!(redact(&got), got, "twice: {given:?}");
}

#[track_caller]
fn stays(text: &str) {
    assert_eq!(clean(text), text);
}

#[test]
fn every_pattern_compiles() {
    assert!(asked::patterns().iter().all(|good| *good));
    assert!(card::patterns().iter().all(|good| *good));
    assert!(email::patterns().iter().all(|good| *good));
    assert!(numbers::patterns().iter().all(|good| *good));
    assert!(phone::patterns().iter().all(|good| *good));
    assert!(secret::patterns().iter().all(|good| *good));
    assert!(tax::patterns().iter().all(|good| *good));
}

#[test]
fn cards() {
    check("card 4111 1111 1111 1111 exp 12/27", "card [CARD] exp 12/27");
    check("4111-1111-1111-1111.", "[CARD].");
    check("carta 5500005555555559, scade", "carta [CARD], scade");
    check("amex 3782 822463 10005 ok", "amex [CARD] ok");
    check("my card is ４１１１\u{200B}１１１１１１１１１１１１", "my card is [CARD]");
    check("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[CARD]");
    check("ordine 77 carta 4111111111111111 12 pezzi", "ordine 77 carta [CARD] 12 pezzi");
    check("4111•1111•1111•1111", "[CARD]");
    check("4111+1111+1111+1111 or 4111 = 1111 = 1111 = 1111", "[CARD] or [CARD]");
    check("4111 → 1111 → 1111 → 1111", "[CARD]");
    check("numero carta 4111 1111 1111 1112", "numero carta [CARD]");
    check("four one one one, one one one one, one one one one, one one one one", "[CARD]");
    // As calls have them.
    check("it's 4111 and 1111 and then 1111, uh, 1111 ok", "it's [CARD] ok");
    check("4111, poi 1111, poi 1111, infine 1111", "[CARD]");
    check("4111 e poi 1111 e 1111 … 1111", "[CARD]");
    check("4111 … 1111 … 1111 … 1111", "[CARD]");
    check("4111&1111!1111?1111", "[CARD]");
    stays("order 1234567812345678 is late");
    stays("tracking 00340434161094042557");
    stays("EAN 8012345678901");
    stays("0000 0000 0000 0000");
}

#[test]
fn ibans() {
    check("IBAN IT60X0542811101000000123456", "IBAN [IBAN]");
    check("it60 x054 2811 1010 0000 0123 456 grazie mille", "[IBAN] grazie mille");
    check("IT60-X-05428-11101-000000123456.", "[IBAN].");
    check("GB82 WEST 1234 5698 7654 32 please", "[IBAN] please");
    check("DE89370400440532013000", "[IBAN]");
    check("MT84MALT011000012345MTLCAST001S", "[IBAN]");
    check("il mio iban: IT60X0542811101000000123457", "il mio iban: [IBAN]");
    stays("IT61X0542811101000000123456 codice ordine");
    stays("it 20 people came to the shop and waited outside");
}

#[test]
fn emails() {
    check("see mailto:mario.rossi%40example.org", "see mailto:[EMAIL]");
    check("mario.rossi @example.org", "[EMAIL]");
    check("rossi77 @example.org", "[EMAIL]");
    stays("ask @example.org please");
    stays("up 40%40 of it");
    check("write to Mario.Rossi+spam@Posta.Example.it, thanks", "write to [EMAIL], thanks");
    check("<a_b@example.org>", "<[EMAIL]>");
    check("mailto:x@y.co", "mailto:[EMAIL]");
    check("mario.rossi @ gmail.com", "[EMAIL]");
    check("mario.rossi (at) gmail (dot) com", "[EMAIL]");
    check("sono mario punto rossi chiocciola gmail punto com grazie", "sono [EMAIL] grazie");
    check("it's john dot smith at example dot com ok", "it's [EMAIL] ok");
    check("maria@gmail", "[EMAIL]");
    check("\"john doe\"@example.org", "[EMAIL]");
    check("perché.è@müller.example", "[EMAIL]");
    check("giulia.verdi@example.it-ok", "[EMAIL]-ok");
    check("giulia.verdi@example.it123 grazie", "[EMAIL]123 grazie");
    check("ok_giulia.verdi@example.it_ok", "[EMAIL]_ok");
    stays("thanks @acme_support");
    stays("ciao @acme.it rispondete");
    stays("see you at acme.com");
    stays("2 pezzi @ 5 euro");
}

#[test]
fn phones() {
    check("chiamami al 340\n1234567", "chiamami al [PHONE]");
    check("+39 340\n1234567", "[PHONE]");
    check("il mio nr è 3401234567", "il mio nr è [PHONE]");
    stays("ordine nr 3401234567");
    for number in [
        "+39 333 1234567",
        "+393331234567",
        "0039 333 123 4567",
        "+44 20 7946 0018",
        "+44 (0)20 7946 0018",
        "+1 (555) 234-5678",
        "0044 7911 123456",
        "333 1234567",
        "333-12 34 567",
        "333.1234567",
        "3331234567",
        "06 12345678",
        "02/12345678",
        "0612345678",
        "07911 123456",
        "020 7946 0018",
        "(555) 234-5678",
        "555-234-5678",
        "06 12 34 56 78",
    ] {
        check(&format!("qui {number} ok"), "qui [PHONE] ok");
        check(&format!("{number}."), "[PHONE].");
        check(&format!("call me on {number}, thanks"), "call me on [PHONE], thanks");
    }
    check("chiamatemi al 800 123456", "chiamatemi al [PHONE]");
    check("my number is 5550142", "my number is [PHONE]");
    check(
        "il mio cellulare è il 3401234567 oppure 3471234567",
        "il mio cellulare è il [PHONE] oppure [PHONE]",
    );
    check("tre tre tre uno due tre quattro cinque sei sette", "[PHONE]");
    // A word of orders somewhere before it makes nobody's number one.
    for head in [
        "No, ",
        "no ",
        "n. ",
        "Booking for Smith, ",
        "account holder Smith ",
        "il corriere del pacco deve chiamare il ",
        "pacco: contattare il ",
        "spedizione avvisare ",
        "ordine in ritardo ",
        "prenotazione Rossi ",
        "fattura a nome Rossi ",
        "order late, ring ",
    ] {
        check(&format!("{head}347 881 2233 ok"), &format!("{head}[PHONE] ok"));
    }
    check("tel.0612345678", "tel.[PHONE]");
    check("3331234567,3401234567", "[PHONE],[PHONE]");
    check("3331234567/3401234567", "[PHONE]/[PHONE]");
    check("+39 011 8765432,0", "[PHONE],0");
}

#[test]
fn what_is_no_phone() {
    for text in [
        "ordine 3401234567 non arrivato",
        "order number 0612345678",
        "order #3331234567",
        "ORD-3331234567",
        "il 05/12/2024 alle 10.30",
        "on 2024-05-12 10:30",
        "costa 350.000.000 di euro",
        "ho pagato 3.400,50 euro",
        "dalle 9.30-12.30",
        "call me between 09.30-12.30",
        "call me on 12/05/2024",
        "3331234567 euro",
        "fattura n. 0612345678",
        "version 10.0.19045.3693",
        "il 2024 e il 2025",
        "100 200 300",
        "tracking 1Z999AA10123456784",
        "ticket 555-234-5678",
        "pod IT001E12345678",
        "il numero del mio ordine è il 3401234567",
        "my order number is 07911123456",
        "order no. 0612345678",
        "ticket ref: 555-234-5678",
        "codice del pacco 3331234567",
    ] {
        stays(text);
    }
}

#[test]
fn state_numbers() {
    check("CF RSSMRA85T10A562S", "CF [TAX_CODE]");
    check("codice fiscale rss mra 85t10 a562s ok", "codice fiscale [TAX_CODE] ok");
    check("codice fiscale RSSMRA85T10A562X", "codice fiscale [TAX_CODE]");
    check("RSSMRA85T10A562X, il mio codice fiscale", "[TAX_CODE], il mio codice fiscale");
    check("IT00743110157", "[VAT]");
    check("partita IVA 00743110157", "partita IVA [VAT]");
    check("P.IVA: 007 431 101 57", "P.IVA: [VAT]");
    check("my NI number is QQ 12 34 56 C", "my NI number is QQ 12 34 56 C");
    check("my NI number is AB 12 34 56 C", "my NI number is [NI]");
    check("ab123456c", "[NI]");
    check("SSN 123-45-6789", "SSN [SSN]");
    check("ssn is 123456789", "ssn is [SSN]");
    stays("RSSMRA85T10A562X");
    stays("numero 00743110157");
    stays("000-12-3456");
    stays("BG123456A");
}

#[test]
fn secrets() {
    for (given, wanted) in [
        ("my PIN is 4821", "my PIN is [SECRET]"),
        ("il pin è 4821 grazie", "il pin è [SECRET] grazie"),
        ("PIN: 48 21", "PIN: [SECRET]"),
        ("the OTP I got is 482 913.", "the OTP I got is [SECRET]."),
        (
            "il codice di verifica che ho ricevuto è 482913",
            "il codice di verifica che ho ricevuto è [SECRET]",
        ),
        ("482913 is my verification code", "[SECRET] is my verification code"),
        ("482913 è il codice OTP", "[SECRET] è il codice OTP"),
        ("security code G-482913", "security code [SECRET]"),
        ("cvv 123", "cvv [SECRET]"),
        ("my pin is one two three four", "my pin is [SECRET]"),
        ("il pin è uno due tre quattro", "il pin è [SECRET]"),
        ("my password is sunshine", "my password is [SECRET]"),
        ("Password: Pippo123!", "Password: [SECRET]!"),
        ("la password è «Pippo 12», aiuto", "la password è «[SECRET] 12», aiuto"),
        ("password Estate2024", "password [SECRET]"),
        ("pwd=hunter2", "pwd=[SECRET]"),
        ("pass: qwerty", "pass: [SECRET]"),
        ("la password del wifi è casamia99", "la password del wifi è [SECRET]"),
        ("pin 4821 password x@y.it", "pin [SECRET] password [SECRET]"),
    ] {
        check(given, wanted);
    }
    for text in [
        "my password is wrong",
        "my password is not working since 2023",
        "la password è scaduta",
        "I forgot my password and the PIN",
        "il pin non funziona da 3 giorni",
        "password reset link",
        "ho cambiato la password ieri",
        "il codice sconto ESTATE20 non va",
        "order code 123456",
        "the code is SAVE10",
        "pass the salt",
        "too cute to pass up!!1",
        "I don't know what my password is.",
    ] {
        stays(text);
    }
}

#[test]
fn values_by_their_names() {
    assert_eq!(redact_attribute("customer_phone", "5550142"), "[PHONE]");
    assert_eq!(redact_attribute("pin", "4821"), "[SECRET]");
    assert_eq!(redact_attribute("tier", "gold"), "gold");
    assert_eq!(redact_attribute("order_id", "3401234567"), "3401234567");
    assert_eq!(redact_attribute("touchpoint", "in-app"), "in-app");
    assert_eq!(redact_name("carta_4111_1111_1111_1111.pdf"), "carta [CARD].pdf");
    assert_eq!(redact_name("cf_RSSMRA85T10A562S_tel_0612345678.pdf"), "cf [TAX_CODE] tel [PHONE].pdf");
    assert_eq!(redact_name("foto_1.jpg"), "foto_1.jpg");
    assert_eq!(
        redact_url("https://u:p@files.example/a/x%40y.it/b?mail=mario%40example.it&n=1&pin=4821#top"),
        "https://files.example/a/[EMAIL]/b?mail=[EMAIL]&n=1&pin=[SECRET]#top"
    );
    assert_eq!(
        redact_url("https://files.example/a%20b?sig=aB%2Bc9"),
        "https://files.example/a%20b?sig=aB%2Bc9"
    );
}

fn with_check(digits: Vec<u8>) -> Vec<u8> {
    (0..10)
        .map(|last| digits.iter().copied().chain([last]).collect::<Vec<u8>>())
        .find(|all| scan::luhn(all))
        .unwrap()
}

/// Digits in groups of the given sizes.
fn grouped(text: &str, sizes: &[usize], separator: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    for size in sizes.iter().cycle() {
        out.extend(chars.by_ref().take(*size));
        if chars.peek().is_none() {
            return out;
        }
        out.push_str(separator);
    }
    out
}

fn separator() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", " ", "-", ".", "/", " - ", "\u{200B}", "\u{A0}", "\u{2011}", "–"])
}

fn around() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("", ""),
        ("my number is ", " thanks"),
        ("il numero è ", ", grazie"),
        ("(", ")"),
        ("ecco: ", "."),
        ("12 ", " 7"),
        ("perché «", "»"),
        ("a\n", "\nb"),
    ])
}

fn survives(text: &str, secret: &str) -> bool {
    let squeeze =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    squeeze(text).contains(&squeeze(secret))
}

proptest! {
    #[test]
    fn no_card_survives(
        brand in prop::sample::select(vec![(vec![4], 16), (vec![5, 3], 16), (vec![3, 7], 15), (vec![6, 0, 1, 1], 16), (vec![2, 2, 3, 0], 16), (vec![3, 6], 14)]),
        body in prop::collection::vec(0..10_u8, 18),
        separator in separator(),
        sizes in prop::sample::select(vec![vec![4], vec![16], vec![4, 6, 5], vec![1], vec![2], vec![8], vec![3, 5]]),
        (head, tail) in around(),
    ) {
        let (prefix, length) = brand;
        let digits = with_check(prefix.into_iter().chain(body).take(length - 1).collect());
        let number: String = digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let text = clean(&format!("{head}{}{tail}", grouped(&number, &sizes, separator)));
        prop_assert!(!survives(&text, &number), "{}", text);
    }

    #[test]
    fn no_iban_survives(
        account in "[A-Z][0-9]{10}[0-9A-Z]{12}",
        separator in separator(),
        sizes in prop::sample::select(vec![vec![4], vec![27], vec![2, 2, 1, 5, 5, 12], vec![9]]),
        small in any::<bool>(),
        (head, tail) in around(),
    ) {
        let check = 98 - iban::mod_97(format!("IT00{account}").as_bytes());
        let number = format!("IT{check:02}{account}");
        let shown = if small { number.to_lowercase() } else { number.clone() };
        let text = clean(&format!("{head}{}{tail}", grouped(&shown, &sizes, separator)));
        prop_assert!(!survives(&text, &number), "{}", text);
    }

    #[test]
    fn no_email_survives(
        local in "[a-zA-Z0-9]([a-zA-Z0-9._%+-]{0,20}[a-zA-Z0-9])?",
        domain in "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\\.[a-z]{2,8}){1,3}",
        at in prop::sample::select(vec!["@", " @ ", "@ ", "\u{200B}@", "＠", " (at) ", "[at]", " chiocciola "]),
        (head, tail) in around(),
    ) {
        let text = clean(&format!("{head}{local}{at}{domain}{tail}"));
        prop_assert!(text.contains("[EMAIL]"), "{}", text);
        prop_assert!(!survives(&text, &format!("{local}{domain}")), "{}", text);
    }

    #[test]
    fn no_phone_survives(
        number in "3[2-9][0-9]{8}|0[1-9][0-9]{7,8}|07[0-9]{9}",
        prefix in prop::sample::select(vec!["", "+39 ", "0039", "+39", "+44 "]),
        separator in prop::sample::select(vec!["", " ", "-", ".", "\u{200B}", "\u{A0}"]),
        sizes in prop::sample::select(vec![vec![3, 7], vec![11], vec![3, 3, 5], vec![4, 3, 4], vec![2, 8], vec![3, 8]]),
        (head, tail) in prop::sample::select(vec![("", ""), ("call me on ", " thanks"), ("tel. ", ""), ("il mio numero è ", ", grazie"), ("a\n", "\nb")]),
    ) {
        let number = if prefix == "+44 " { number.trim_start_matches('0').to_owned() } else { number };
        let cued = head.len() > 2;
        let shown = format!("{prefix}{}", grouped(&number, &sizes, separator));
        // `04.123.456`-like forms are amounts or dates unless a word says otherwise.
        let plain = separator.trim_matches(['\u{200B}', '\u{A0}']).is_empty() || !prefix.is_empty();
        prop_assume!(cued || plain);
        let text = clean(&format!("{head}{shown}{tail}"));
        prop_assert!(!survives(&text, &number), "{} from {}", text, shown);
    }

    #[test]
    fn no_tax_code_survives(
        body in "[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-7][0-9][A-Z][0-9]{3}",
        separator in prop::sample::select(vec!["", " ", "-", ".", "\u{200B}"]),
        sizes in prop::sample::select(vec![vec![16], vec![3, 3, 5, 5], vec![6, 5, 5], vec![4], vec![1]]),
        small in any::<bool>(),
        (head, tail) in prop::sample::select(vec![("", ""), ("cf: ", " grazie"), ("codice fiscale ", "."), ("(", ")"), ("il mio è ", " ok")]),
    ) {
        let code = ('A'..='Z').map(|last| format!("{body}{last}")).find(|code| tax::tax_code(code.as_bytes())).unwrap();
        let shown = if small { code.to_lowercase() } else { code.clone() };
        let text = clean(&format!("{head}{}{tail}", grouped(&shown, &sizes, separator)));
        prop_assert!(!survives(&text, &code), "{}", text);
    }

    #[test]
    fn twice_is_once(
        words in prop::collection::vec(prop::sample::select(vec![
            "pin", "password", "is", "è", "4111 1111 1111 1111", "333 1234567", "1234", "[PHONE]", "[", "]", ":", "@",
            "x@y.it", "IBAN", "IT60X0542811101000000123456", "code", "my", "+39", "06", "12345678", "uno due tre", "cvv",
            "RSSMRA85T10A562S", "tel", "is my pin", "-", "\n", "at", "dot", "com", "chiocciola", "00743110157", "p.iva",
        ]), 0..14),
        glue in prop::sample::select(vec![" ", "", ", "]),
    ) {
        let once = clean(&words.join(glue));
        prop_assert_eq!(redact(&once), once);
    }

    #[test]
    fn twice_is_once_on_anything(text in any::<String>()) {
        let once = clean(&text);
        prop_assert_eq!(redact(&once), once);
    }
}

/// Found by fuzzing: each number was the cue for the next one, and after six rounds the rest of the list was let be.
#[test]
fn a_long_list_of_numbers_is_found_whole() {
    check(
        &format!("phone {}bye, order 48213", "8942121 or ".repeat(30)),
        &format!("phone {}bye, order 48213", "[PHONE] or ".repeat(30)),
    );
    let hostile =
        "[PHONE] 8942 ".to_owned() + &"1111 10821 1111 1111 11111 1111 10821 1111 101111 1)11821 ".repeat(8);
    let once = clean(&hostile);
    assert_eq!(redact(&once), once);
}

#[test]
fn figures_are_taken_out_one_run_at_a_time() {
    assert_eq!(super::without_figures("a 12 34b\n5è"), "a [PHONE] [PHONE]b\n[PHONE]è");
}

#[test]
fn a_number_dictated_in_several_turns_is_found() {
    let check = |parts: &[&str], expected: &[&str]| {
        let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        super::redact_together(&mut parts);
        assert_eq!(parts, expected);
    };
    check(&["card is 4111 1111", "1111 1111 thanks"], &["card is [CARD]", "[CARD] thanks"]);
    check(&["it is 4111", "1111 1111", "1111"], &["it is [CARD]", "[CARD]", "[CARD]"]);
    check(&["IT60 X054 2811", "1010 0000 0123 456"], &["[IBAN]", "[IBAN]"]);
    check(&["order 48213", "89 euro please"], &["order 48213", "89 euro please"]);
    check(&["my mail is a@b.example", "4111 1111 1111 1111"], &["my mail is [EMAIL]", "[CARD]"]);
    check(&[], &[]);
}

proptest::proptest! {
    #[test]
    fn no_cut_hides_a_card(cuts in proptest::collection::btree_set(1usize..16, 0..4)) {
        let number = "4111111111111111";
        let mut parts = Vec::new();
        let mut at = 0;
        for cut in cuts.into_iter().chain([16]) {
            parts.push(number[at..cut].to_owned());
            at = cut;
        }
        super::redact_together(&mut parts);
        let digits = parts.concat().chars().filter(char::is_ascii_digit).count();
        proptest::prop_assert_eq!(digits, 0, "{:?}", parts);
    }
}
