-- What a session is about, and how full the model's context was after its last call.
alter table sessions add column description text;
alter table sessions add column context text;
