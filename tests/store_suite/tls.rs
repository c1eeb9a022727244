//! The way to PostgreSQL over TLS: libpq with the OpenSSL that is built here (`crates/openssl-sys`).

use diesel::RunQueryDsl;
use diesel::connection::{Connection, SimpleConnection};
use tempfile::TempDir;

#[test]
fn r7_3_postgresql_is_reached_over_tls_and_only_if_it_is_who_it_should_be() {
    #[derive(diesel::QueryableByName)]
    struct Seen {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let plain = std::env::var("TEST_POSTGRES").unwrap();
    let root = std::env::var("TEST_POSTGRES_ROOT").expect("TEST_POSTGRES_ROOT: run the tests by tests/run");
    let mut admin = diesel::PgConnection::establish(&plain).unwrap();
    admin.batch_execute("CREATE ROLE by_password LOGIN PASSWORD 'invented'").unwrap();
    // The password's proof is bound to the server's certificate: nobody in between can pass it on.
    let with_password = plain.replace("renzheng@", "by_password:invented@");
    let tls = format!("{with_password}?sslmode=verify-full&channel_binding=require&sslrootcert=");
    let mut connection = diesel::PgConnection::establish(&format!("{tls}{root}")).unwrap();
    let seen: Seen = diesel::sql_query("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl")
        .get_result(&mut connection)
        .unwrap();
    assert_eq!(seen.version, "TLSv1.3");

    let folder = TempDir::new().unwrap();
    let other = folder.path().join("other.pem");
    std::fs::write(&other, sandbox::ROOT_PEM).unwrap();
    let refused = diesel::PgConnection::establish(&format!("{tls}{}", other.display())).err().unwrap().to_string();
    assert!(refused.contains("certificate verify failed"), "{refused}");
    // Nor is a server believed that no authority of this machine knows.
    let refused = diesel::PgConnection::establish(&format!("{tls}system")).err().unwrap().to_string();
    assert!(refused.contains("certificate verify failed"), "{refused}");
    let wrong = tls.replace("invented", "another");
    let refused = diesel::PgConnection::establish(&format!("{wrong}{root}")).err().unwrap().to_string();
    assert!(refused.contains("password authentication failed"), "{refused}");
}
