import '../../shared/base.css';
import { render } from 'preact';

render(<main class="page-note">Barograph</main>, document.getElementById('app')!);
