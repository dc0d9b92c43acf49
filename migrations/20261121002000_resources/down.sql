SET LOCAL ROLE rowhouse_owner;
DROP TABLE resource_versions, resources;
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.keep_resource_version(), directory.acting_member();
SET LOCAL ROLE NONE;
