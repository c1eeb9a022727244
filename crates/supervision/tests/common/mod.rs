//! What the tests of this crate share.

/// Lets the other threads run until `done`; bounded by turns, not by time.
pub async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..2_000_000 {
        if done() {
            return;
        }
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
    panic!("it never came true");
}
