use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(given: &str, wanted: &str) {
    assert_eq!(clean(given), wanted, "{given}");
}

fn mail(text: &str) -> Result<Heard, WireError> {
    from_mime(&STANDARD.encode(text.replace('\n', "\r\n")), Author::Customer)
}

fn said(text: &str) -> String {
    mail(text).unwrap().turns.remove(0).text
}

fn auto(text: &str) -> Option<String> {
    mail(text).unwrap().auto_reply
}

#[test]
fn every_pattern_compiles() {
    assert!(auto::patterns().iter().all(|good| *good));
    assert!(footer::patterns().iter().all(|good| *good));
    assert!(quotes::patterns().iter().all(|good| *good));
    assert!(signature::patterns().iter().all(|good| *good));
}

#[test]
fn quoted_replies_go() {
    for quote in [
        "On Tue, 14 May 2024 at 10:32, Support <help@acme.example> wrote:\n> We are sorry\n> again",
        "On Tue, 14 May 2024 at 10:32,\nSupport <help@acme.example>\nwrote:\n\n> We are sorry",
        "On 14/05/2024 10:32, Support wrote:\nWe are sorry",
        "Il giorno mar 14 mag 2024 alle ore 10:32 Assistenza <help@acme.example> ha scritto:\n\nCi scusiamo",
        "Il 14/05/24 10:32, Assistenza ha scritto:\n> Ci scusiamo",
        "Il giorno 14 mag 2024, alle ore 10:32, Assistenza\n<help@acme.example> ha scritto:\n> Ci scusiamo",
        "-----Original Message-----\nFrom: Support\nSent: Tuesday\nWe are sorry",
        "-----Messaggio originale-----\nDa: Assistenza\nCi scusiamo",
        "________________________________\nFrom: Support <help@acme.example>\nSent: Tuesday, May 14\nTo: me\nSubject: Re: fridge\n\nWe are sorry",
        "Da: Assistenza <help@acme.example>\nInviato: martedì 14 maggio 2024 10:32\nA: io\nOggetto: R: frigo\n\nCi scusiamo",
        "*Da:* Assistenza\n*Data:* martedì\n*Oggetto:* R: frigo\nCi scusiamo",
        "---------- Forwarded message ---------\nFrom: Support\nWe are sorry",
        "Begin forwarded message:\n\nFrom: Support\nWe are sorry",
        "Inizio messaggio inoltrato:\nDa: Assistenza\nCi scusiamo",
        "> We are sorry\n> very",
    ] {
        check(&format!("Il frigo è ancora rotto.\n\n{quote}"), "Il frigo è ancora rotto.");
    }
}

#[test]
fn what_only_looks_quoted_stays() {
    check("> What colour?\nRed, please.\n> What size?\nLarge.", "Red, please.\nLarge.");
    check("On Tue, 14 May 2024, Support wrote:\n> What colour?\n\nRed, please.", "Red, please.");
    check("On Monday 3 people wrote to you.", "On Monday 3 people wrote to you.");
    check("Da: lunedì a venerdì\nnon risponde nessuno", "Da: lunedì a venerdì\nnon risponde nessuno");
    check(">:( it broke again", ">:( it broke again");
    check("Il tecnico ha scritto che passa il 5", "Il tecnico ha scritto che passa il 5");
}

#[test]
fn nothing_is_lost() {
    check("> is it me?\n> hello", "is it me?\nhello");
    check(
        "---------- Forwarded message ---------\nFrom: A\nSubject: B\nthe invoice is wrong",
        "the invoice is wrong",
    );
    check("Sent from my iPhone", "Sent from my iPhone");
    check("--\nMario", "--\nMario");
}

#[test]
fn signatures_go() {
    for end in [
        "-- \nMario Rossi\nTel. 06 1234567",
        "Sent from my iPhone",
        "Inviato da iPhone",
        "Inviato dal mio Galaxy",
        "Get Outlook for Android",
        "Scarica Outlook per iOS",
        "Kind regards,\nJane Smith\nHead of Things | Acme Ltd\n+44 20 7946 0018",
        "Cordiali saluti\nMario Rossi\nVia Roma 5, Milano\nCell. 333 1234567",
        "Cordiali saluti, Mario Rossi",
        "Distinti saluti",
        "Best\nJ",
        "Mario Rossi\nTel: 06 1234567\nwww.rossi.example",
    ] {
        check(&format!("The fridge is broken. Please help.\n\n{end}"), "The fridge is broken. Please help.");
    }
    check("It broke.\n\nThanks,\nJane Smith", "It broke.\n\nThanks,");
    check("It broke.\n\nGrazie\nMario", "It broke.\n\nGrazie");
}

#[test]
fn what_only_looks_like_a_signature_stays() {
    check(
        "Thanks\nbut the fridge is still not working at all",
        "Thanks\nbut the fridge is still not working at all",
    );
    check("Saluti dal call center che non risponde mai!", "Saluti dal call center che non risponde mai!");
    check("Regards to your manager, who lied to me", "Regards to your manager, who lied to me");
    check("I sent from my iPhone the photo you wanted", "I sent from my iPhone the photo you wanted");
    check(
        "Best\nregards are not enough, I want my money back now.",
        "Best\nregards are not enough, I want my money back now.",
    );
}

#[test]
fn legal_footers_go() {
    for footer in [
        "This e-mail and any attachments are confidential and intended solely for the addressee. If you have received it in error please notify the sender and delete it.",
        "CONFIDENTIALITY NOTICE\n\nThis message is intended only for the recipient. Any unauthorised disclosure is prohibited.",
        "Le informazioni contenute in questo messaggio sono riservate e destinate esclusivamente al destinatario. Se lo avete ricevuto per errore vi preghiamo di cancellarlo.",
        "Ai sensi del Regolamento UE 2016/679 le informazioni contenute nel presente messaggio sono riservate al destinatario; ne è vietata la diffusione.",
        "AVVISO DI RISERVATEZZA: il presente messaggio è confidenziale; qualora lo riceviate per errore, distruggetelo e avvisate il mittente.",
        "Please consider the environment before printing this e-mail",
        "Prima di stampare, pensa all'ambiente",
    ] {
        check(&format!("Il frigo è rotto.\n\n{footer}"), "Il frigo è rotto.");
    }
    for own in [
        "Ai sensi del GDPR chiedo la cancellazione dei miei dati riservati, il destinatario mi ha scritto per errore.",
        "This message is about privacy: please delete my data.",
        "If you have received my parcel in error please tell me.",
    ] {
        check(own, own);
        check(&format!("Buongiorno.\n\n{own}"), &format!("Buongiorno.\n\n{own}"));
    }
}

#[test]
fn html_becomes_text() {
    let html = "<html><head><title>no</title><style>p{color:red}</style></head><body><!-- c --><div style=\"display:none\">pre<div>x</div>view</div>\
        <p>Perch&eacute; &lt;qui&gt;?</p><ul><li>uno</li><li>due</li></ul><table><tr><td>a</td><td>b</td></tr></table>\
        scrivo<br>a <mario@example.org><script>bad()</script><div class=\"gmail_signature\">Mario</div>\
        <div class=\"gmail_quote\"><div>On 1 May 2024 Support &lt;h@acme.example&gt; wrote:</div><blockquote>We are sorry</blockquote></div></body></html>";
    check(html, "Perché <qui>?\n\n- uno\n- due\n\na b\n\nscrivo\na <mario@example.org>");
    check("<div style='display:none'>all hidden</div>", "all hidden");
    check("5 < 6 and <b>bold</b> <unclosed", "5 < 6 and bold <unclosed");
    check("<style>never closed <p>words</p>", "never closed\n\nwords");
    check("<p>Ciao</p><blockquote type=cite>Prima</blockquote><p>Dopo</p>", "Ciao\n\nDopo");
}

#[test]
fn hostile_markup_takes_linear_time() {
    let start = std::time::Instant::now();
    for unit in [
        "<a ",
        "<!--",
        "<p \"",
        "<style>",
        "<p>",
        "<blockquote>",
        "&amp",
        "<div style=display:none>",
        "<a \"> ",
    ] {
        let _ = to_text(&unit.repeat(100_000 / unit.len()));
    }
    for unit in
        ["avviso\n", "> a\n", "On 1 wrote\n", "--\n", "From: a\n", "Thanks\n", "a@b wrote: ", "\n\n-\n"]
    {
        let _ = clean(&unit.repeat(100_000 / unit.len()));
    }
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

#[test]
fn mime_bodies_subject_and_attachments() {
    let heard = mail(
        "From: a@example.org\nSubject: =?utf-8?q?Frigo_rotto_perch=C3=A9?=\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b1\"\n\n\
         --b1\nContent-Type: multipart/alternative; boundary=\"b2\"\n\n--b2\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nIl frigo =C3=A8 rotto\n\n\
         --b2\nContent-Type: text/html\n\n<p>Il frigo rotto</p>\n--b2--\n--b1\nContent-Type: application/pdf; name=\"fattura.pdf\"\nContent-Disposition: attachment; filename=\"fattura.pdf\"\nContent-Transfer-Encoding: base64\n\nAAAA\n--b1--\n",
    )
    .unwrap();
    assert_eq!(heard.subject.as_deref(), Some("Frigo rotto perché"));
    assert_eq!(heard.turns[0].text, "Il frigo è rotto");
    assert_eq!(heard.auto_reply, None);
    assert_eq!(heard.attachments.len(), 1);
    assert_eq!(heard.attachments[0].name.as_deref(), Some("fattura.pdf"));
    assert_eq!(heard.attachments[0].media_type.as_deref(), Some("application/pdf"));
    assert_eq!(heard.attachments[0].bytes, Some(3));
}

#[test]
fn html_only_and_stubs() {
    let head = "From: a@example.org\nSubject: x\nMIME-Version: 1.0\n";
    assert_eq!(
        said(&format!(
            "{head}Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n<p>perch=E9</p>"
        )),
        "perché"
    );
    let stub = "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\nYour mail program does not show HTML.\n--b\nContent-Type: text/html\n\n<p>the words</p>\n--b--\n";
    assert_eq!(said(&format!("{head}{stub}")), "the words");
}

#[test]
fn certified_mail_is_read_through() {
    let inner = "From: a@example.org\nSubject: Reclamo\n\nIl frigo non va";
    let text = format!(
        "From: posta-certificata@pec.example\nSubject: POSTA CERTIFICATA: Reclamo\nX-Trasporto: posta-certificata\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\nMessaggio di posta certificata\n--b\nContent-Type: message/rfc822; name=postacert.eml\n\n{inner}\n--b--\n"
    );
    let heard = mail(&text).unwrap();
    assert_eq!(heard.turns[0].text, "Il frigo non va");
    assert_eq!(heard.subject.as_deref(), Some("Reclamo"));
    assert_eq!(heard.auto_reply, None);
}

#[test]
fn machines_by_headers() {
    for (header, wanted) in [
        ("Auto-Submitted: auto-replied", "header:auto-submitted"),
        ("X-Autoreply: yes", "header:x-autoreply"),
        ("Precedence: bulk", "header:precedence"),
        ("Precedence: auto_reply", "header:precedence"),
        ("Return-Path: <>", "header:return-path"),
        ("Content-Type: multipart/report; report-type=delivery-status; boundary=b", "header:content-type"),
        ("X-Ricevuta: accettazione", "header:x-ricevuta"),
        ("From: MAILER-DAEMON@mx.example", "header:from"),
        ("Subject: Automatic reply: your order", "header:subject"),
        ("Subject: Risposta automatica: ordine", "header:subject"),
        ("Subject: Undeliverable: order", "header:subject"),
        ("Subject: Out of Office Re: order", "header:subject"),
        ("Subject: Mancato recapito: ordine", "header:subject"),
    ] {
        assert_eq!(
            auto(&format!("{header}\nTo: a@example.org\n\nhello there")).as_deref(),
            Some(wanted),
            "{header}"
        );
    }
    for header in
        ["Auto-Submitted: no", "Precedence: list", "Return-Path: <a@example.org>", "Subject: Office chair"]
    {
        assert_eq!(auto(&format!("{header}\nFrom: a@example.org\n\nhello there")), None, "{header}");
    }
}

#[test]
fn machines_by_words() {
    let told = |text: &str| from_text(text, None, Author::Customer).auto_reply;
    for (text, wanted) in [
        ("This is an automated response. Do not reply.", "text:automatic-message"),
        ("Questo è un messaggio automatico, si prega di non rispondere.", "text:automatic-message"),
        ("I am out of the office until 3 June with limited access to my e-mail.", "text:out-of-office"),
        ("Sono in ferie fino al 20 agosto. Risponderò al mio rientro.", "text:out-of-office"),
        ("Your message could not be delivered to a@example.org", "text:bounce"),
    ] {
        assert_eq!(told(text).as_deref(), Some(wanted), "{text}");
    }
    for text in [
        "I only got an automatic reply and nobody called me",
        "Ho ricevuto solo una risposta automatica, è vergognoso",
        "Sono in ferie fino al 20, consegnate dopo",
        "I am away next week, please deliver on Friday",
    ] {
        assert_eq!(told(text), None, "{text}");
    }
}

#[test]
fn bad_mime_is_named() {
    let class = |mime: &str| from_mime(mime, Author::Customer).unwrap_err().class();
    assert_eq!(class("%%%"), "bad_mime");
    assert_eq!(class(""), "bad_mime");
    assert_eq!(class(&STANDARD.encode("no headers at all")), "bad_mime");
}

#[test]
fn parts_are_capped() {
    let parts = "--b\nContent-Type: text/plain\n\nx\n".repeat(500);
    let error =
        mail(&format!("From: a@example.org\nContent-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n"))
            .unwrap_err();
    assert_eq!(error, WireError::TooManyParts { found: 500, limit: 100 });
    let nested: String =
        (0..300).map(|n| format!("Content-Type: multipart/mixed; boundary=n{n}\n\n--n{n}\n")).collect();
    assert_eq!(mail(&format!("From: a@example.org\n{nested}")).unwrap_err().class(), "too_many_parts");
}

/// Found by fuzzing: the parser gives up here, and says so by an assertion where those are compiled in.
#[test]
fn a_part_whose_parent_is_lost_is_read() {
    let bytes: &[u8] = include_bytes!("../../../fuzz/corpus/mime/parent-lost");
    from_mime(&STANDARD.encode(bytes), Author::Customer).unwrap();
}

#[test]
fn a_soft_line_break_before_a_boundary_is_read() {
    let mail = "From: a@b.it\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\
        Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nPerch=E9=\n--b--\n";
    let shortest = mail.replace("Perch", "");
    for (mail, expected) in [(mail, "Perché"), (&shortest, "é")] {
        for mail in [mail.to_owned(), mail.replace('\n', "\r\n")] {
            let heard = from_mime(&STANDARD.encode(&mail), Author::Customer).unwrap();
            assert_eq!(heard.turns[0].text, expected, "{mail:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = from_mime(&STANDARD.encode(bytes), Author::Customer);
    }

    #[test]
    fn any_lines_are_read_or_refused(lines in prop::collection::vec(prop::sample::select(vec![
        "From: a@b.it", "Content-Type: multipart/mixed; boundary=b", "Content-Type: message/rfc822", "Content-Type: text/html",
        "Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: quoted-printable", "--b", "--b--", "", "=E9=", "<p>é",
        "boundary=\"", "Subject: =?utf-8?q?=FF?=", "> x", "On 1 May a@b.it wrote:", "-- ", "Grazie", "ﷺ",
    ]), 0..30)) {
        let text = lines.join("\n");
        let _ = mail(&text);
        let _ = clean(&text);
    }

    #[test]
    fn html_never_panics(text in "([<>/&;\"'!= -]|<p|<!--|-->|<div style=\"display:none\">|</div>|<style>|<blockquote>|&eacute;|é|a|\n){0,60}") {
        let _ = clean(&text);
    }
}
