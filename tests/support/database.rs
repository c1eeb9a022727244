//! Databases of the PostgreSQL cluster that `tests/run` starts.

use diesel::connection::{Connection, SimpleConnection};

/// The address of an empty database that nobody else has: tests run beside each other, and what one of them leaves due
/// another would claim.
pub fn postgres() -> String {
    let cluster = std::env::var("TEST_POSTGRES").expect("TEST_POSTGRES: run the tests by tests/run");
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    let mut admin = diesel::PgConnection::establish(&cluster).unwrap();
    admin.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    format!("{}/{name}", cluster.rsplit_once('/').unwrap().0)
}
