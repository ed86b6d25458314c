import { Component, type ReactNode } from 'react';

interface BoundaryProps {
  readonly children: ReactNode;
  /** What is shown once the children could not be drawn. */
  readonly instead: ReactNode;
  /** Called once they could not be drawn. */
  readonly onFailed?: () => void;
}

/**
 * Takes its children off the screen when one of them cannot be drawn. Otherwise what was drawn before would stay, and a patient
 * with it whom the session may have left (HZ-1).
 */
export class Boundary extends Component<BoundaryProps, { readonly failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { readonly failed: boolean } {
    return { failed: true };
  }

  override componentDidCatch(): void {
    this.props.onFailed?.();
  }

  override render(): ReactNode {
    return this.state.failed ? this.props.instead : this.props.children;
  }
}
