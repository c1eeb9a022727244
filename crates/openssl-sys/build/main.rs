//! Builds OpenSSL with perl and a C compiler: its own `Configure` says what to do, [`makefile`] does it. The crate of this
//! name on crates.io calls `make`, which a fresh machine need not have, and builds all of OpenSSL; of that libpq uses
//! the client's side of TLS over TCP.
// Cargo reads what a build script prints.
#![allow(clippy::print_stdout)]

mod makefile;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use makefile::{Makefile, Outcome, done};

/// What libpq has no use for: libraries that are loaded at run time, other protocols than TLS over TCP, formats that
/// carry no connection, ciphers and signatures that servers of PostgreSQL are hardly ever set up with.
const WITHOUT: &str = "\
    no-shared no-module no-engine no-legacy no-tests no-apps no-docs no-ui-console no-comp no-zlib no-quic \
    no-dtls no-srtp no-http no-cmp no-cms no-ct no-ts no-rfc3779 no-ssl3 no-weak-ssl-ciphers no-srp no-gost no-sm2 no-sm3 \
    no-sm4 no-aria no-bf no-camellia no-cast no-idea no-mdc2 no-md2 no-rc2 no-rc4 no-rc5 no-rmd160 no-seed no-whirlpool \
    no-dsa no-ec2m no-ml-dsa no-slh-dsa no-ocsp no-scrypt no-argon2 no-blake2 no-siphash no-siv no-ocb";

/// Where `sslrootcert=system` looks for authorities, as Debian's own OpenSSL does; elsewhere `SSL_CERT_FILE` names them.
const AUTHORITIES: &str = "--openssldir=/usr/lib/ssl";

fn main() -> Outcome<()> {
    let source = openssl_src::source_dir();
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR")?);
    let work = out.join("work");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work)?;

    // What runs for every byte is assembly; what is C runs once a connection, and connections are kept.
    let optimised = env::var("OPT_LEVEL").is_ok_and(|level| level != "0");
    let compiler = cc::Build::new().opt_level(u32::from(optimised)).warnings(false).get_compiler();
    let archiver = cc::Build::new().get_archiver();
    let mut configure = Command::new("perl");
    configure
        .arg(source.join("Configure"))
        .args(WITHOUT.split_whitespace())
        .args([AUTHORITIES, platform()?])
        .args(musl())
        .args(compiler.args())
        .env("CC", compiler.path())
        .env("AR", archiver.get_program())
        .env_remove("CROSS_COMPILE")
        .current_dir(&work);
    done(&mut configure)?;

    let makefile = Makefile::read(&work)?;
    makefile.make(&["build_generated"])?;
    makefile.make(&["libcrypto.a", "libssl.a"])?;

    let include = out.join("include");
    for from in [&source, &work] {
        copy(&from.join("include/openssl"), &include.join("openssl"), "h")?;
    }
    copy(&work, &out, "a")?;
    fs::remove_dir_all(&work)?;
    println!("cargo:rerun-if-changed=build");
    println!("cargo:include={}", include.display());
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-link-lib=static=ssl");
    println!("cargo:rustc-link-lib=static=crypto");
    Ok(())
}

/// OpenSSL's name of the machine that is built for.
fn platform() -> Result<&'static str, String> {
    let target = env::var("TARGET").unwrap_or_default();
    let starts = |name: &str| target.starts_with(name);
    Ok(match () {
        () if starts("x86_64-") && target.contains("-linux-") => "linux-x86_64",
        () if starts("aarch64-") && target.contains("-linux-") => "linux-aarch64",
        () if starts("riscv64") && target.contains("-linux-") => "linux64-riscv64",
        () if starts("i686-") && target.contains("-linux-") => "linux-elf",
        () if starts("arm") && target.contains("-linux-") => "linux-armv4",
        () if starts("powerpc64le-") => "linux-ppc64le",
        () if starts("s390x-") => "linux64-s390x",
        () if starts("loongarch64-") => "linux64-loongarch64",
        () if starts("x86_64-apple-darwin") => "darwin64-x86_64-cc",
        () if starts("aarch64-apple-darwin") => "darwin64-arm64-cc",
        () => return Err(format!("how OpenSSL is configured for {target} is not known here")),
    })
}

/// What musl has no headers and no functions for.
fn musl() -> &'static [&'static str] {
    let musl = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|found| found == "musl");
    if musl { &["no-async", "-DOPENSSL_NO_SECURE_MEMORY"] } else { &[] }
}

/// Copies the files of a folder whose names end with `.extension`.
fn copy(from: &Path, to: &Path, extension: &str) -> Outcome<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension)
            && let Some(name) = path.file_name()
        {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
