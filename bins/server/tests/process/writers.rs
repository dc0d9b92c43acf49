//! A stream of writes, and a record of what was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use crate::http::{Answer, Client};

/// Tasks that create projects until they are stopped, or until the server is gone.
pub(crate) struct Writers {
    tasks: JoinSet<()>,
    record: Arc<Record>,
}

#[derive(Default)]
struct Record {
    label: String,
    stop: AtomicBool,
    sent: AtomicUsize,
    acknowledged: Mutex<Vec<(String, String)>>,
    refused: Mutex<Vec<Answer>>,
}

impl Writers {
    /// So many at once, each with one request at a time; the label begins all their names.
    pub(crate) fn start(client: &Client, tasks: usize, label: &str) -> Self {
        let record = Arc::new(Record {
            label: label.to_owned(),
            ..Record::default()
        });
        let tasks = (0..tasks)
            .map(|_| write(client.clone(), Arc::clone(&record)))
            .collect();
        Self { tasks, record }
    }

    /// How many writes were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.record.acknowledged.lock().unwrap().len()
    }

    /// The refusals so far.
    pub(crate) fn refused(&self) -> Vec<Answer> {
        self.record.refused.lock().unwrap().clone()
    }

    /// Lets each finish its request; the ids and names of what was acknowledged.
    pub(crate) async fn stop(mut self) -> Vec<(String, String)> {
        self.record.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.record.acknowledged.lock().unwrap().clone()
    }
}

async fn write(client: Client, record: Arc<Record>) {
    while !record.stop.load(Ordering::SeqCst) {
        let name = format!(
            "{} {}",
            record.label,
            record.sent.fetch_add(1, Ordering::SeqCst)
        );
        // Without an answer the server is gone.
        let Ok(answer) = client.create_project(&name).await else {
            return;
        };
        if answer.status == 201 {
            let id = answer.body["id"].as_str().unwrap().to_owned();
            record.acknowledged.lock().unwrap().push((id, name));
        } else {
            record.refused.lock().unwrap().push(answer);
        }
    }
}

/// Every write that was acknowledged is there, and no write is there twice.
#[track_caller]
pub(crate) fn assert_kept(acknowledged: &[(String, String)], found: &[(String, String)]) {
    for project in acknowledged {
        let (id, name) = project;
        assert!(
            found.contains(project),
            "{name} ({id}) was acknowledged and is lost"
        );
        let twice = found.iter().filter(|(_, found)| found == name).count();
        assert_eq!(twice, 1, "{name}");
    }
}
