//! renzheng
