//! An SMTP sink: takes every mail and shows it in the inbox.

use std::net::TcpListener;
use std::sync::Arc;

use mail_parser::MessageParser;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::state::{Fare, Message, State};

/// Longest mail that is taken, in bytes.
const MAIL_MOST: u64 = 4 * 1024 * 1024;

pub(crate) fn listen(listener: TcpListener, state: Arc<State>) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    actix_web::rt::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            actix_web::rt::spawn(async move {
                if let Err(error) = talk(stream, &state).await {
                    tracing::debug!(%error, "an SMTP client went away");
                }
            });
        }
    });
    Ok(())
}

async fn talk(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read.take(MAIL_MOST));
    write.write_all(b"220 sandbox ESMTP\r\n").await?;
    let mut to = Vec::new();
    loop {
        let mut line = String::new();
        if read.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let command = line.trim_end().to_ascii_uppercase();
        let reply = match command.get(..4).unwrap_or_default() {
            "EHLO" => "250-sandbox\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "HELO" | "MAIL" | "NOOP" => "250 ok\r\n",
            "RSET" => {
                to.clear();
                "250 ok\r\n"
            }
            "RCPT" if state.read(|book| book.messages_down) => "451 later\r\n",
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                to.push(address.to_owned());
                "250 ok\r\n"
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let raw = data(&mut read).await?;
                keep(state, &to, &raw);
                "250 taken\r\n"
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "502 what?\r\n",
        };
        write.write_all(reply.as_bytes()).await?;
    }
}

async fn data(read: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    loop {
        let mut line = Vec::new();
        if read.read_until(b'\n', &mut line).await? == 0 || line == b".\r\n" || line == b".\n" {
            return Ok(raw);
        }
        raw.extend_from_slice(line.strip_prefix(b".").filter(|_| line.starts_with(b"..")).unwrap_or(&line));
    }
}

fn keep(state: &State, to: &[String], raw: &[u8]) {
    let parsed = MessageParser::default().parse(raw);
    let subject = parsed.as_ref().and_then(|mail| mail.subject()).unwrap_or_default().to_owned();
    let text = parsed.as_ref().and_then(|mail| mail.body_text(0)).unwrap_or_default().into_owned();
    let id = parsed.as_ref().and_then(|mail| mail.message_id()).unwrap_or_default();
    let fare = state.read(|book| book.fare);
    for address in to {
        state.keep(Message {
            at: state.now(),
            channel: "mail".into(),
            to: address.clone(),
            subject: subject.clone(),
            text: text.clone(),
            out_id: id.to_owned(),
            biz_id: String::new(),
            status: if fare == Fare::Fail { 2 } else { 3 },
        });
        if fare == Fare::Fail {
            state.report("bounces", "message/rfc822", bounce(id, address));
        }
    }
}

/// What a mail server sends back when it could not deliver (RFC 3464).
fn bounce(id: &str, to: &str) -> Vec<u8> {
    let lines = [
        "From: MAILER-DAEMON@sandbox",
        "To: no-reply@renzheng.example",
        "Subject: Undelivered Mail Returned to Sender",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"",
        "",
        "--b",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "The mail could not be delivered.",
        "--b",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; sandbox",
        "",
        &format!("Final-Recipient: rfc822; {to}"),
        "Action: failed",
        "Status: 5.1.1",
        "",
        "--b",
        "Content-Type: message/rfc822-headers",
        "",
        &format!("Message-ID: <{id}>"),
        "",
        "--b--",
        "",
    ];
    lines.join("\r\n").into_bytes()
}
