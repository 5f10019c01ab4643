stop('file');
