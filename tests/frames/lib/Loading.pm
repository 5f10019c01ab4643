package Loading;
BEGIN { main::stop('begin') }
main::stop('loading');
sub import { main::stop('import') }
1;
