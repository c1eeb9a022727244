//! The one binary.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    supervision::install_panic_hook();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        // Somebody installed one before us: it will do.
        tracing::debug!("a TLS provider is installed already");
    }
    let cli = renzheng::cli::Cli::parse();
    match actix_web::rt::System::new().block_on(renzheng::boot::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done about a broken standard error.
            let _ = writeln!(std::io::stderr(), "renzheng: {error:#}");
            ExitCode::FAILURE
        }
    }
}
