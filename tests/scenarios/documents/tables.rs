//! What docs/queries.md says of tables and docs/conditions.md of columns is what there is.

use std::collections::BTreeSet;

use bitbucket_connector::api::crd;

use super::root;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// All tables and views of both databases.
fn made() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for database in ["sqlite", "postgres"] {
        for file in std::fs::read_dir(root().join("src/destination/schema").join(database)).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let names = text.lines().filter_map(|line| {
                line.strip_prefix("CREATE TABLE ").or_else(|| line.strip_prefix("CREATE VIEW "))?.split(' ').next()
            });
            found.extend(names.map(str::to_owned));
        }
    }
    found
}

#[test]
fn the_page_of_queries_names_every_table() {
    let page = read("docs/queries.md");
    let named: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `bitbucket_").and_then(|rest| rest.split('`').next()))
        .map(|rest| format!("bitbucket_{rest}"))
        .collect();
    assert_eq!(named, made());
}

#[test]
fn the_page_of_conditions_names_every_column() {
    let definition = serde_json::to_value(crd::definition().unwrap()).unwrap();
    let columns = definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
    let page = read("docs/conditions.md");
    for (command, wide) in [("kubectl get bbc ", false), ("kubectl get bbc -o wide ", true)] {
        let line = page.lines().find(|line| line.starts_with(&format!("{command} "))).unwrap();
        for column in columns.iter().filter(|column| (column["priority"] == 1) == wide) {
            let name = column["name"].as_str().unwrap().to_uppercase();
            assert!(line.contains(&name), "{line}: {name}");
        }
    }
}
