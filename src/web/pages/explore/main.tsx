// main.tsx - the explore role's page: log lines, found and read.
import '../../shared/base.css';
import './explore.css';
import { render } from 'preact';
import { ExplorePage } from './page';

render(<ExplorePage />, document.getElementById('app')!);
