//! Embedded migrations are read at compile time: look again when they change.

fn main() {
    #[allow(clippy::print_stdout)] // how a build script speaks to cargo
    {
        println!("cargo:rerun-if-changed=../../migrations");
    }
}
