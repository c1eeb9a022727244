//! Rows, blobs and sealed columns.
