//! E-mail by SMTP.

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::{CALL_TIMEOUT, GatewayError, called};

/// What the client must know.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// `smtp://127.0.0.1:2525` (plain, for the sandbox) or `smtps://host`.
    pub url: String,
    /// User name, or empty.
    pub user: String,
    /// Password, or empty.
    pub password: String,
    /// `Name <address>`.
    pub from: String,
}

/// One mail, in plain text.
#[derive(Debug)]
pub struct Mail<'a> {
    /// Address.
    pub to: &'a str,
    /// Subject.
    pub subject: &'a str,
    /// Text.
    pub body: &'a str,
    /// Our own id: the same mail sent twice has the same Message-ID.
    pub id: &'a str,
    /// BCP 47 tag of its language.
    pub language: &'a str,
}

/// The client.
pub struct MailClient {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl MailClient {
    /// A client with these settings.
    ///
    /// # Errors
    /// `Setup` when address or sender can't be read.
    pub fn new(settings: &MailSettings) -> Result<Self, GatewayError> {
        let setup = |error: String| GatewayError::Setup(error);
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&settings.url);
        let mut builder = builder.map_err(|error| setup(error.to_string()))?.timeout(Some(CALL_TIMEOUT));
        if !settings.user.is_empty() {
            builder = builder.credentials(Credentials::new(settings.user.clone(), settings.password.clone()));
        }
        let from = settings.from.parse().map_err(|_| setup("the sender is no address".into()))?;
        Ok(Self { transport: builder.build(), from })
    }

    /// Sends one mail.
    ///
    /// # Errors
    /// `Refused` when the server refuses it for good, `Unreachable` for everything that may pass.
    pub async fn send(&self, mail: &Mail<'_>) -> Result<(), GatewayError> {
        let to: Mailbox = mail.to.parse().map_err(|_| GatewayError::Refused("no address".into()))?;
        let message: MessageBuilder = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(mail.subject)
            .message_id(Some(format!("<{}@renzheng>", mail.id)))
            .header(ContentType::TEXT_PLAIN);
        let message = message.body(mail.body.to_owned()).map_err(|error| GatewayError::Refused(error.to_string()))?;
        let sent = async {
            match self.transport.send(message).await {
                Ok(_) => Ok(()),
                Err(error) if error.is_permanent() => Err(GatewayError::Refused(format!("{:?}", error.status()))),
                Err(_) => Err(GatewayError::Unreachable("the mail server".into())),
            }
        };
        called("mail", "send", sent).await
    }
}
