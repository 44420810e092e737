// main.tsx - the dashboards role's page: "/" lists, "/d/uid/slug" shows.
import '../../shared/base.css';
import './dashboards.css';
import { render } from 'preact';
import { useState } from 'preact/hooks';
import { path } from '../../shared/url';
import { DashboardList } from './list';
import { DashboardPage } from './page';

function App() {
    const [missing, setMissing] = useState<string | null>(null);
    const uid = /^\/d\/([^/]+)/.exec(path.value)?.[1];
    if (uid === undefined) return <DashboardList />;
    const plain = decodeURIComponent(uid);
    if (missing === plain) return <DashboardList missing={plain} />;
    return <DashboardPage key={plain} uid={plain} onMissing={setMissing} />;
}

render(<App />, document.getElementById('app')!);
