//! Stops the PostgreSQL that the tests share, which `make test` ends with; or, with arguments, those
//! of these home folders.

use std::error::Error;
use std::path::Path;

use embedded_postgres::{Cluster, Programs, testing};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let homes: Vec<_> = std::env::args_os().skip(1).collect();
    if homes.is_empty() {
        return testing::stop_shared_cluster();
    }
    for home in homes {
        Cluster::stop_running(Path::new(&home), &Programs::find()?)?;
    }
    Ok(())
}
