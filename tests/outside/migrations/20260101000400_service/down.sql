DROP OWNED BY notes_service;
DROP ROLE notes_service;
