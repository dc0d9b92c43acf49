SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.count_views(uuid[], bigint[]), directory.open_view_counts(uuid, uuid[], int),
    directory.purge_projects(int, int), directory.enqueue_project_purges(int, int);
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;
REVOKE ALL ON projects FROM rowhouse_directory;
DROP INDEX projects_created_idx, projects_status_idx, projects_name_idx, projects_deleted_idx;
ALTER TABLE projects DROP COLUMN name_key;
DROP FUNCTION search_key(text);
CREATE INDEX projects_tenant_status_idx ON projects (tenant_id, is_deleted, status, id);
SELECT tenancy.protect('projects', write_role => 'member', commands => '{select,insert,update}',
    update_columns => '{name,description,status,is_deleted,deleted_at,view_count,version,updated_at}',
    unaudited => '{view_count,updated_at}');
SET LOCAL ROLE NONE;
